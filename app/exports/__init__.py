"""Sweeps as files: one record of a sweep, and three ways to write and read it. Back into the database: app.imports."""

from app.exports import as_csv, as_json, as_parquet
from app.exports.records import SweepRecord, opened

FORMATS = {"json": as_json, "csv": as_csv, "parquet": as_parquet}

__all__ = ["FORMATS", "SweepRecord", "opened"]

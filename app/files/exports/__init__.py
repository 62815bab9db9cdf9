"""A sweep as a file: one record of it, and three formats to write and read it in."""

from app.files.exports import csv_format, json_format, parquet_format
from app.files.exports.records import SweepRecord, opened

FORMATS = {"json": json_format, "csv": csv_format, "parquet": parquet_format}

__all__ = ["FORMATS", "SweepRecord", "opened"]

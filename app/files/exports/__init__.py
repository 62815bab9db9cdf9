"""A sweep as a file: the record of a sweep, and three formats that write and read it."""

from app.files.exports import csv_format, json_format, parquet_format
from app.files.exports.part import EVERYTHING, Choice
from app.files.exports.records import SweepRecord, open_sweep

FORMATS = {"json": json_format, "csv": csv_format, "parquet": parquet_format}

__all__ = ["EVERYTHING", "FORMATS", "Choice", "SweepRecord", "open_sweep"]

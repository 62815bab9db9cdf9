"""Reads a file as a table; how it begins says what it is, not its name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.domain.tables.limits import MAX_CELLS, MAX_UNPACKED_BYTES
from app.domain.tables.options import TableOptions
from app.errors import in_short
from app.files.tables import csv_table, idx_table, numpy_table
from app.files.tables.table import Table, check_names, refusal, unzipped


def read(path: str, options: TableOptions) -> Table:
    """The table in a file, for these options. Raises InvalidError that says what is wrong with it."""
    with Path(path).open("rb") as file:
        begin = file.read(8)
    if not begin:
        raise refusal("the file is empty: send CSV (also .gz), ARFF, Parquet, .npz, .npy, or a .zip of IDX files")
    if begin.startswith(b"PAR1"):
        table = _read_parquet(path)
    elif begin.startswith(b"PK"):
        table = _read_zip(path)
    elif begin.startswith(b"\x93NUMPY"):
        table = numpy_table.read_npy(path)
    else:
        table = csv_table.read(path, gzipped=begin.startswith(b"\x1f\x8b"), texts=options.names_of_texts)
    if not table.rows:
        raise refusal("the file has no rows: below its heading each example needs a line")
    return table


def _read_zip(path: str) -> Table:
    """The table in NumPy's .npz, or of IDX files, both of which are .zip files."""
    with unzipped(path, ".zip or .npz") as archive:
        names = archive.namelist()
    if any(name.startswith("xl/") for name in names):
        raise refusal("the file is an Excel workbook: save its sheet as CSV, and send that")
    are_arrays = any(name.lower().endswith(".npy") for name in names)  # whatever else they are called
    has_idx = any("idx" in name.lower() for name in names)
    return idx_table.read(path) if has_idx and not are_arrays else numpy_table.read_npz(path)


def _read_parquet(path: str) -> Table:
    try:
        file = pq.ParquetFile(path)
        _check_size(file.metadata)
        table = file.read()
        table.validate(full=True)  # whether texts are UTF-8, above all
        names = list(table.column_names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise refusal(f"the file can't be read as Parquet: {in_short(error)}") from None
    check_names(names)
    return Table(names, list(table.columns), table.num_rows)


def _check_size(metadata: pq.FileMetaData) -> None:
    """Raises InvalidError for a file that is small as it lies there, and not when it is read."""
    cells = metadata.num_rows * metadata.num_columns
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if cells > MAX_CELLS or unpacked > MAX_UNPACKED_BYTES:
        raise refusal(
            f"the table has {metadata.num_rows:,} rows of {metadata.num_columns:,} columns: "
            f"at most {MAX_CELLS:,} values and {MAX_UNPACKED_BYTES // 2**20:,} MiB are read"
        )

"""Reads CSV: separated by commas, semicolons or tabs, with a heading or without, all of it as text."""

import codecs
import csv
import gzip
import io
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from app.domain.tables.encoding import MISSING_TEXTS
from app.domain.tables.limits import MAX_CELLS, MAX_UNPACKED_BYTES
from app.files.tables.table import Table, check_names, refusal

DELIMITERS = ",;\t|"
PIECE = 2**20  # bytes that are looked at in one go
MAX_HEADING = 2**20  # bytes of the first line


def read(path: str, *, gzipped: bool) -> Table:
    """The table of a CSV file. Raises InvalidError with the row where one is wrong."""
    content = _unpacked(path) if gzipped else Path(path).read_bytes()
    content = content.removeprefix(b"\xef\xbb\xbf")
    first_line = content[:MAX_HEADING].splitlines()[0] if content.strip() else b""
    if not first_line.strip():
        raise refusal("the file is empty, or its first line is")
    if len(first_line) == MAX_HEADING:
        raise refusal(
            f"the first line is longer than {MAX_HEADING // 2**20} MiB: it must name the columns, or have numbers"
        )
    if b"\0" in content[:MAX_HEADING]:
        raise refusal("the file is neither text nor Parquet, .npz or .npy: send CSV, also .gz, or one of these")
    _check_utf8(content)
    heading = first_line.decode()
    delimiter = max(DELIMITERS, key=heading.count)
    cells = _cells(heading, delimiter)
    has_heading = not any(map(_is_number, cells))
    names = [cell if cell and has_heading else f"column {place}" for place, cell in enumerate(cells, 1)]
    check_names(names)
    notes = (
        () if has_heading else ("The first row has numbers, so it is no heading: columns are named by their place.",)
    )
    table = _parsed(content, names, delimiter, skipped=int(has_heading))
    if table.num_rows * len(names) > MAX_CELLS:
        raise refusal(f"the table has {table.num_rows:,} rows of {len(names):,} columns: at most {MAX_CELLS:,} values")
    return Table(names, list(table.columns), table.num_rows, notes)


def _cells(heading: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([heading], delimiter=delimiter))]
    except csv.Error as error:
        raise refusal(f"the first line can't be read: {error}") from None


def _unpacked(path: str) -> bytes:
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise refusal("the .gz is damaged: it can't be unpacked") from None
    if len(content) > MAX_UNPACKED_BYTES:
        raise refusal(f"the .gz becomes more than {MAX_UNPACKED_BYTES // 2**20:,} MiB when it is unpacked")
    return content


def _parsed(content: bytes, names: list[str], delimiter: str, skipped: int) -> pa.Table:
    ragged_rows: list[arrow_csv.InvalidRow] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        ragged_rows.append(row)
        return "error"

    try:
        return arrow_csv.read_csv(
            io.BytesIO(content),
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names, skip_rows=skipped),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=sorted(MISSING_TEXTS),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowException as error:
        if ragged_rows:
            row = ragged_rows[0]
            number = None if row.number is None else row.number - skipped
            msg = f"has {row.actual_columns} values where {row.expected_columns} are expected: {row.text[:60]!r}"
            raise refusal(msg, row=number) from None
        raise refusal(f"the file can't be read as CSV: {str(error).splitlines()[0]}") from None


def _check_utf8(content: bytes) -> None:
    """Raises InvalidError with the line that is not UTF-8; piece by piece, so that no second copy is made."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content), PIECE):
        piece = content[start : start + PIECE]
        try:
            decoder.decode(piece, final=start + PIECE >= len(content))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, start + error.start) + 1
            raise refusal(f"line {line:,} is not UTF-8: save the file as UTF-8") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""The CSV format: a table whose last column, `sweep`, holds the sweep's facts in its first row."""

import csv
import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import IO, Any

from app.files.exports import table
from app.files.exports.fields import Field, import_error
from app.files.exports.records import SweepRecord

MEDIA_TYPE = "text/csv"
HEADER = "sweep"
ROWS_A_PIECE = 200
MAX_CELL = 16 * 2**20
# a spreadsheet takes a text that begins so for a formula; the apostrophe tells it that it is none, and import that it
# was put there
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")


def write(record: SweepRecord) -> Generator[bytes]:
    """The table, piece by piece."""
    columns = table.columns(record)
    to_text = [(index, _TO_TEXT[column.kind]) for index, column in enumerate(columns) if column.kind in _TO_TEXT]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*(column.name for column in columns), HEADER])
    header = json.dumps(record.header)  # in the first row alone
    for count, row in enumerate(table.rows(record), 1):
        for index, convert in to_text:
            if row[index] is not None:
                row[index] = convert(row[index])
        writer.writerow([*row, header])
        header = ""
        if count % ROWS_A_PIECE == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    if header:  # no trial at all
        writer.writerow([""] * len(columns) + [header])
    yield buffer.getvalue().encode()


_TO_TEXT: dict[str, Callable[[Any], str]] = {
    "text": lambda text: f"'{text}" if text == "" or text.startswith(_GUARDED) else text,
    "boolean": lambda value: str(value).lower(),
}


def read(file: IO[bytes]) -> dict[str, Any]:
    """The document of the table. Raises InvalidError that names the row and the column of what is wrong or lost."""
    csv.field_size_limit(MAX_CELL)
    lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
    try:
        names = next(lines, [])
        if HEADER not in names:
            raise import_error((HEADER,), "is missing: the file is no export as CSV, or has lost this column")
        columns = table.checked_columns(name for name in names if name != HEADER)
        headers: list[str] = []
        document = table.document({}, _rows(lines, names, {column.name: column for column in columns}, headers))
    except (csv.Error, UnicodeDecodeError) as error:
        raise import_error((), f"is no CSV in UTF-8: {error}") from None
    return {**_header(headers), **document}


def _header(headers: list[str]) -> dict[str, Any]:
    if len(headers) != 1:
        raise import_error(
            (HEADER,), f"must be filled in one row, not in {len(headers)}: the first one holds the sweep's facts"
        )
    try:
        header = json.loads(headers[0])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise import_error((HEADER,), "must hold the sweep's facts as JSON")
    return header


def _rows(
    lines: Iterator[list[str]], names: list[str], columns: Mapping[str, Field], headers: list[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their place in the file: the first below the names is 2, as a spreadsheet counts them.

    What stands in the column `sweep` goes to `headers`.
    """
    if len(set(names)) != len(names):
        raise import_error(("rows", 1), "names a column twice")
    for place, cells in enumerate(lines, 2):
        if len(cells) != len(names):
            raise import_error(("rows", place), f"has {len(cells)} cells for {len(names)} columns")
        row = dict(zip(names, cells, strict=True))
        if header := row.pop(HEADER):
            headers.append(header)
        if any(row.values()):
            yield place, {name: _value(columns[name], cell, place) if cell else None for name, cell in row.items()}


def _value(column: Field, cell: str, place: int) -> Any:
    try:
        match column.kind:
            case "integer":
                return int(cell)
            case "float":
                return _number(cell)
            case "boolean":
                return {"true": True, "false": False}[cell.lower()]
            case "text":
                return cell.removeprefix("'")
    except (ValueError, KeyError):
        raise import_error(("rows", place, column.name), f"can't be {cell[:80]!r}") from None
    return cell


def _number(cell: str) -> float:
    """A whole number stays one: 1 and 1.0 are different parameters."""
    try:
        return int(cell)
    except ValueError:
        return float(cell) if cell not in {"nan", "inf", "-inf"} else cell  # type: ignore[return-value]

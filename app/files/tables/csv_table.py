"""Reads CSV: separated by commas, semicolons or tabs, with a heading or without, as numbers and texts; and ARFF."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from app.domain.formatting import plural
from app.domain.tables.encoding import MISSING_TEXTS
from app.domain.tables.limits import MAX_CELLS
from app.errors import in_short
from app.files.tables import arff_heading
from app.files.tables.arff_rows import ArffRows
from app.files.tables.table import Table, check_names, refusal
from app.files.tables.text_stream import BYTE_ORDER_MARK, TextStream

DELIMITERS = ",;\t|"
MAX_HEADING = 2**20  # bytes of the first line
_MISSING = pa.array(sorted(MISSING_TEXTS))
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the marks at its beginning
_JSON = re.compile(rb"\s*(\[\s*)?\{")
# not `<DATE>,<OPEN>`, as programs of stock exchanges head their columns
_MARKUP = re.compile(rb"\s*<([!?]|html\b|\w[^,;|\t\n]*$)", re.IGNORECASE | re.MULTILINE)


class Layout(NamedTuple):
    """How the columns of a CSV lie."""

    names: list[str]
    delimiter: str
    has_heading: bool
    escape: str | None = None  # what quotes stand behind that are none; else they are doubled


def read(path: str, *, gzipped: bool, texts: Collection[str] = ()) -> Table:
    """The table of a CSV or ARFF file; of the columns `texts` numbers are names. Raises InvalidError with the row where
    one is wrong."""
    try:
        with gzip.open(path) if gzipped else Path(path).open("rb") as file:
            return _read(file, texts)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise refusal("the .gz is damaged: it can't be unpacked") from None


def _read(file: io.BufferedIOBase, texts: Collection[str]) -> Table:
    head = file.read(MAX_HEADING + len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)[:MAX_HEADING]
    if arff_heading.begins(head):
        heading = arff_heading.read(head)
        layout = Layout(heading.names, ",", has_heading=False, escape="\\")
        table = _rows(lambda: ArffRows(TextStream(file, heading.size)), layout, {*texts, *heading.categories})
        return Table(layout.names, list(table.columns), table.num_rows, categories=heading.categories)
    layout = _layout(head)
    table = _rows(lambda: TextStream(file), layout, texts)
    note = "The first row has numbers, so it is no heading: columns are named by their place."
    return Table(layout.names, list(table.columns), table.num_rows, () if layout.has_heading else (note,))


def _rows(stream: Callable[[], io.RawIOBase], layout: Layout, texts: Collection[str]) -> pa.Table:
    """The rows of what is read from its begin by each call of `stream`, as numbers where all of a column are, else as
    texts once more: these tell what is wrong, and where."""
    head = stream().read(MAX_HEADING) or b""
    numbers = [name for name in _columns_of_numbers(head, layout) if name not in texts]
    try:
        table = _parsed(stream(), layout, numbers)
    except pa.ArrowException:
        table = _texts(stream(), layout)
    if table.num_rows * len(layout.names) > MAX_CELLS:
        count = f"{table.num_rows:,} rows of {len(layout.names):,} columns"
        raise refusal(f"the table has {count}: at most {MAX_CELLS:,} values")
    return pa.table([_with_missing(column) for column in table.columns], layout.names)


def _with_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Also those values are missing that say so between spaces: these the reader of CSV takes for a part of them."""
    if not pa.types.is_string(column.type):
        return column
    is_missing = pc.is_in(pc.utf8_trim_whitespace(column), _MISSING)
    return pc.if_else(is_missing, pa.scalar(None, pa.string()), column) if pc.any(is_missing).as_py() else column


def _layout(head: bytes) -> Layout:
    """Of a file that begins so. Raises InvalidError."""
    first_line = head.splitlines()[0] if head.strip() else b""
    if not first_line.strip():
        raise refusal("the file is empty, or its first line is")
    if len(first_line) == MAX_HEADING:
        raise refusal(
            f"the first line is longer than {MAX_HEADING // 2**20} MiB: it must name the columns, or have numbers"
        )
    if head.startswith(_UTF_16):
        raise refusal("the file is UTF-16 text: save it as UTF-8 (a spreadsheet calls that CSV UTF-8)")
    if _JSON.match(head) or _MARKUP.match(head):
        raise refusal(f"the file is {'JSON' if _JSON.match(head) else 'HTML or XML'}: save its rows as CSV")
    if b"\0" in head:
        raise refusal("the file is neither text nor Parquet, .npz or .npy: send one of these, or save a sheet as CSV")
    try:
        heading = first_line.decode()
    except UnicodeDecodeError:
        raise refusal("line 1 is not UTF-8: save the file as UTF-8 (a spreadsheet calls that CSV UTF-8)") from None
    delimiter = max(DELIMITERS, key=heading.count)
    cells = _cells(heading, delimiter)
    has_heading = not any(map(_is_number, cells))
    names = [cell if cell and has_heading else f"column {place}" for place, cell in enumerate(cells, 1)]
    check_names(names)
    return Layout(names, delimiter, has_heading)


def _cells(heading: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([heading], delimiter=delimiter))]
    except csv.Error as error:
        raise refusal(f"the first line can't be read: {error}") from None


def _columns_of_numbers(head: bytes, layout: Layout) -> list[str]:
    """The columns that have numbers alone in the first rows, and so probably in all."""
    whole_rows = head[: head.rfind(b"\n") + 1] or head
    try:
        columns = _parsed(io.BytesIO(whole_rows), layout).columns
    except pa.ArrowException:
        return []
    return [name for name, column in zip(layout.names, columns, strict=True) if _has_numbers(column)]


def _has_numbers(column: pa.ChunkedArray) -> bool:
    try:
        return bool(pc.cast(pc.utf8_trim_whitespace(column), pa.float64()).null_count < len(column))
    except pa.ArrowInvalid:
        return False


def _parsed(
    source: io.IOBase,
    layout: Layout,
    numbers: Collection[str] = (),
    ragged_rows: list[arrow_csv.InvalidRow] | None = None,
) -> pa.Table:
    """The rows, with these columns as numbers and all others as texts. Raises ArrowException."""

    def note(row: arrow_csv.InvalidRow) -> str:
        if ragged_rows is not None:
            ragged_rows.append(row)
        return "error"

    types = {name: pa.float64() if name in numbers else pa.string() for name in layout.names}
    return arrow_csv.read_csv(
        source,
        read_options=arrow_csv.ReadOptions(
            use_threads=False, column_names=layout.names, skip_rows=int(layout.has_heading)
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter,
            double_quote=layout.escape is None,
            escape_char=layout.escape or False,
            newlines_in_values=True,
            invalid_row_handler=note,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, null_values=sorted(MISSING_TEXTS), strings_can_be_null=True
        ),
    )


def _texts(source: io.IOBase, layout: Layout) -> pa.Table:
    """All columns as texts. Raises InvalidError with the first row that is wrong."""
    ragged_rows: list[arrow_csv.InvalidRow] = []
    try:
        return _parsed(source, layout, ragged_rows=ragged_rows)
    except pa.ArrowException as error:
        if ragged_rows:
            row = ragged_rows[0]
            number = None if row.number is None else row.number - layout.has_heading
            count = plural(row.actual_columns, "value")
            msg = f"has {count} where {row.expected_columns} are expected: {row.text[:60]!r}"
            advice = "; perhaps a quotation mark is not closed" if '"' in row.text and "\n" in row.text else ""
            raise refusal(msg + advice, row=number) from None
        is_too_long = "straddling" in str(error)  # Arrow reads a file in blocks, and a row must be in one of them
        why = "a row is too long; perhaps a quotation mark is not closed" if is_too_long else in_short(error)
        raise refusal(f"the file can't be read as CSV: {why}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""Rows of a table as the inputs of a prediction, encoded as the model's file says."""

import csv
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from app.domain.formatting import plural
from app.domain.tables.encoding import Encoding
from app.errors import InvalidError
from worker.predict.inputs import Inputs, load_array

DELIMITERS = ",;\t|"


def read_table_rows(path: str, encoding: Encoding) -> Inputs:
    """The rows of a CSV (`-`: standard input), with a heading or with the values in order, or of an .npy.

    Columns that the network does not read, such as the target, may be there under a heading. Raises InvalidError.
    """
    try:
        if path.endswith(".npy"):
            return _encoded(path, load_array(path, len(encoding.columns)).tolist(), encoding)
        if path == "-":
            return _inputs("stdin", sys.stdin, encoding)
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            return _inputs(path, lines, encoding)
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{path} can't be read: it is no text in UTF-8.") from None


def _inputs(name: str, lines: Iterable[str], encoding: Encoding) -> Inputs:
    rows = _parsed(name, lines)
    heading = [cell.strip() for cell in rows[0]]
    cells: list[object] = list(rows)
    if set(encoding.names) <= set(heading):
        cells = [_by_name(f"{name}, row {place}", heading, row) for place, row in enumerate(rows[1:], 1)]
    elif set(encoding.names) & set(heading):
        lacking = ", ".join(repr(column) for column in encoding.names if column not in heading)
        raise InvalidError(f"{name} lacks the columns {lacking}.")
    if not cells:
        raise InvalidError(f"{name} has no rows.")
    return _encoded(name, cells, encoding)


def _encoded(name: str, cells: Sequence[object], encoding: Encoding) -> Inputs:
    try:
        features = encoding.encode(cells)
    except InvalidError as error:
        _, place, *column = error.errors[0].loc
        where = f"{name}, row {int(place) + 1}" + "".join(f", column {part!r}" for part in column)
        raise InvalidError(f"{where}: {error.errors[0].msg}.") from None
    x = np.array(features, dtype=np.float32).reshape(-1, encoding.width)
    return Inputs([f"{name}:{row}" for row in range(1, len(x) + 1)], x)


def _parsed(name: str, lines: Iterable[str]) -> list[list[str]]:
    """The cells of each row that is not empty."""
    lines = iter(lines)
    first_line = next((line for line in lines if line.strip()), "")
    delimiter = max(DELIMITERS, key=first_line.count)
    try:
        rows = [
            row
            for row in csv.reader(chain([first_line], lines), delimiter=delimiter)
            if len(row) > 1 or "".join(row).strip()
        ]
    except csv.Error as error:
        raise InvalidError(f"{name} can't be read as CSV: {error}.") from None
    if not rows:
        raise InvalidError(f"{name} has no rows.")
    return rows


def _by_name(place: str, heading: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(heading):
        raise InvalidError(f"{place}: has {plural(len(row), 'value')} where the heading names {len(heading)}.")
    return dict(zip(heading, row, strict=True))

"""Rows of a table as the inputs of a prediction, encoded as the model's file says."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.domain.tables.encoding import Encoding
from app.errors import InvalidError
from worker.predict.inputs import Inputs

DELIMITERS = ",;\t|"


def read_table_rows(path: str, encoding: Encoding) -> Inputs:
    """The rows of a CSV (`-`: standard input), with a heading or with the values in order. Raises InvalidError.

    Columns that the network does not read, such as the target, may be there.
    """
    try:
        if path == "-":
            return _inputs("stdin", sys.stdin, encoding)
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            return _inputs(path, lines, encoding)
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{path} can't be read: it is no text in UTF-8.") from None


def _inputs(name: str, lines: Iterable[str], encoding: Encoding) -> Inputs:
    text = [line for line in lines if line.strip()]
    if not text:
        raise InvalidError(f"{name} has no rows.")
    rows = [*csv.reader(text, delimiter=max(DELIMITERS, key=text[0].count))]
    heading = [cell.strip() for cell in rows[0]]
    cells: list[object] = list(rows)
    if set(encoding.names) <= set(heading):
        cells = [dict(zip(heading, row, strict=False)) for row in rows[1:]]
    elif set(encoding.names) & set(heading):
        lacking = ", ".join(repr(column) for column in encoding.names if column not in heading)
        raise InvalidError(f"{name} lacks the columns {lacking}.")
    try:
        features = encoding.encode(cells)
    except InvalidError as error:
        _, place, *column = error.errors[0].loc
        where = f"{name}, row {int(place) + 1}" + "".join(f", column {part!r}" for part in column)
        raise InvalidError(f"{where}: {error.errors[0].msg}.") from None
    x = np.array(features, dtype=np.float32).reshape(-1, encoding.width)
    return Inputs([f"{name}:{row}" for row in range(1, len(x) + 1)], x)

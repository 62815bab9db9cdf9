"""The encoding of tables, which the server and the client each have: what one makes of a row, the other does too."""

import json
import math
import random
import re

import numpy as np
import pytest

from app.domain.tables import encoding as servers
from app.errors import InvalidError
from perceptune import encoding as clients

COLUMNS = (
    servers.EncodedColumn(name="age", kind="number", mean=40, scale=10, marks_missing=True),
    servers.EncodedColumn(name="born", kind="date", mean=10_000, scale=365.25),
    servers.EncodedColumn(name="colour", kind="category", categories=("3", "blue", "red", "true"), marks_missing=True),
)
SERVERS = servers.Encoding(target="kind", columns=COLUMNS)
CLIENTS = clients.Encoding.model_validate_json(SERVERS.model_dump_json())
NUMBERS: list[servers.Cell] = [3, 2.5, -0.0, "7", " 8 ", "1e3", True, "False"]
DATES: list[servers.Cell] = ["2020-02-29", "1969-12-31 23:59:59.5", "2020-01-01T12:00:00+02:00"]
TEXTS: list[servers.Cell] = ["red", " blue ", "green", 3, 3.0, True, "TRUE"]
MISSING: list[servers.Cell] = [None, math.nan, *sorted(servers.MISSING_TEXTS)]


def test_rows_become_the_same_by_both() -> None:
    """Numbers, dates and texts, as they are and as text, and whatever stands for a missing value."""
    luck = random.Random(0)
    rows = [
        {
            "age": luck.choice(NUMBERS + MISSING),
            "born": luck.choice(DATES + MISSING),
            "colour": luck.choice(TEXTS + MISSING),
        }
        for _ in range(500)
    ]
    assert CLIENTS.encode(rows) == SERVERS.encode(rows)
    assert CLIENTS.encode([list(row.values()) for row in rows]) == SERVERS.encode(rows)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"age": "old"}, "Row 1, column 'age': must be a number, not 'old'."),
        ({"age": "inf"}, "Row 1, column 'age': must be a finite number, not 'inf'."),
        ({"age": 1e300}, "Row 1, column 'age': is too far from what was trained on, 40 ± 10: 1e+300."),
        ({"born": "today"}, "Row 1, column 'born': must be a date such as 2026-01-31, not 'today'."),
    ],
)
def test_both_refuse_the_same_in_the_same_words(row: dict[str, object], place: str) -> None:
    """The client says row and column in its sentence, the server in its fields."""
    rows = [{"age": 1, "born": "2020-01-01", "colour": "red"} | row]
    with pytest.raises(ValueError, match=f"^{re.escape(place)}$"):
        CLIENTS.encode(rows)
    with pytest.raises(InvalidError) as server_refusal:
        SERVERS.encode(rows)
    (field,) = server_refusal.value.errors
    assert (field.loc, f"Row 1, column {field.loc[-1]!r}: {field.msg}.") == (("rows", 0, *row), place)


def test_an_array_with_a_number_that_is_too_far_off_is_told_its_row() -> None:
    """Arrays are encoded a column at a time, and errors are told as those of rows."""
    column = COLUMNS[0].model_dump()
    encoding = clients.Encoding.model_validate_json(json.dumps({"target": "kind", "columns": [column]}))
    with pytest.raises(ValueError, match=r"Row 2, column 'age': is too far from what was trained on"):
        encoding.encode(np.array([[1.0], [1e300]]))

"""Rows of a table as inputs of `perceptune predict`: with a heading, in order, and refused with their place."""

from pathlib import Path

import numpy as np
import pytest

from app.domain.tables.encoding import EncodedColumn, Encoding
from app.errors import InvalidError
from worker.predict.table_rows import read_table_rows

ENCODING = Encoding(
    target="kind",
    columns=(
        EncodedColumn(name="age", kind="number", mean=40, scale=10, marks_missing=True),
        EncodedColumn(name="colour", kind="category", categories=("blue", "red")),
    ),
)


def features(tmp_path: Path, text: str) -> list[list[float]]:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return [[float(number) for number in row] for row in read_table_rows(str(path), ENCODING).x]


def test_rows_come_with_a_heading_in_any_order_or_in_that_of_the_table(tmp_path: Path) -> None:
    """Other columns, such as the target, may be there; an empty cell is missing."""
    expected = [[1, 0, 0, 1], [0, 1, 1, 0]]
    assert features(tmp_path, "colour,kind,age\nred,a,50\n\nblue,b,\n") == expected
    assert features(tmp_path, "50;red\n;blue\n") == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("age,colour\n50,red\nold,red\n", "row 2, column 'age': must be a number, not 'old'."),
        ("age,kind\n50,a\n", "lacks the columns 'colour'."),
        ("50,red,1\n", "row 1: has 3 values, and the network takes 2: age, colour."),
        ("\n", "has no rows."),
        ("age,colour\n", "has no rows."),
        ("age,colour\n50,red\n5,0,red\n", "row 2: has 3 values where the heading names 2."),
        ("age,colour\n50\n", "row 1: has 1 value where the heading names 2."),
        (f"age,colour\n{'5' * 200_000},red\n", "can't be read as CSV: field larger than field limit (131072)."),
        ("1e300,red\n", "row 1, column 'age': is too far from what was trained on, 40 ± 10: 1e300."),
    ],
)
def test_what_the_network_can_not_take_is_refused_with_its_place(text: str, sentence: str, tmp_path: Path) -> None:
    """One sentence names the file, the row and the column."""
    with pytest.raises(InvalidError) as error:
        features(tmp_path, text)
    assert error.value.detail == f"{tmp_path / 'rows.csv'}{', ' if sentence.startswith('row') else ' '}{sentence}"


def test_a_text_may_have_lines(tmp_path: Path) -> None:
    """In quotes, also empty ones; a row without any value of its own is one all the same."""
    assert features(tmp_path, 'age,colour,note\n50,red,"one\n\nthree"\n,,\n') == [[1, 0, 0, 1], [0, 1, 0, 0]]


def test_rows_of_an_array_are_those_of_the_table(tmp_path: Path) -> None:
    """A column for each that the network reads, NaN where one is missing; another shape is refused."""
    encoding = Encoding(target="y", columns=(EncodedColumn(name="0", kind="number", mean=1, marks_missing=True),))
    path = tmp_path / "rows.npy"
    np.save(path, np.array([[3.0], [np.nan]]))
    assert read_table_rows(str(path), encoding).x.tolist() == [[2, 0], [0, 1]]
    with pytest.raises(InvalidError, match=r"the network takes \[n, 2\], not \[2, 1\]"):
        read_table_rows(str(path), ENCODING)

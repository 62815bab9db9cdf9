"""Parts of a table's rows by a column that names them, and by groups that stay together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidError
from app.files.tables.dataset import TableDataset
from tests.app.files.tables.test_bad_files import npz, table_of

ROWS = 120


def visits(tmp_path: Path, parts: Any, patients: Any = (), **options: Any) -> TableDataset:
    """A table of visits with these parts and patients, and a diagnosis each."""
    patients = patients or range(ROWS)
    rows = [
        f"{place % 9}.5,{part},{patient},{'ab'[place % 2]}"
        for place, (part, patient) in enumerate(zip(parts, patients, strict=True))
    ]
    return table_of("\n".join(["size,part,patient,diagnosis", *rows]).encode(), tmp_path, target="diagnosis", **options)


def test_a_column_says_the_part_of_each_row(tmp_path: Path) -> None:
    """In the words that people use; the column itself is none that a network reads."""
    parts = [["train", "Validation", "TEST"][min(place % 5, 2)] for place in range(ROWS)]
    dataset = visits(tmp_path, parts, split_by="part")
    assert dataset.split is not None
    assert dataset.split.train.tolist() == list(range(0, ROWS, 5))
    assert dataset.split.held_out.tolist() == list(range(1, ROWS, 5))
    assert len(dataset.split.test) == 72
    uses = {column["name"]: column["use"] for column in dataset.columns}
    assert uses["part"] == "says which part a row is in"
    assert dataset.encoding is not None
    assert "part" not in dataset.encoding.names


def test_a_part_that_the_column_does_not_name_is_taken_by_the_shares(tmp_path: Path) -> None:
    """Of the rows to train on, in the shares of each class; what is to test on stays that."""
    parts = ["train" if place % 6 else "test" for place in range(ROWS)]
    split = visits(tmp_path, parts, split_by="part").split
    assert split is not None
    assert split.test.tolist() == list(range(0, ROWS, 6))
    assert [len(part) for part in split] == [80, 20, 20]
    assert sorted(np.concatenate(split)) == list(range(ROWS))
    both = visits(tmp_path, ["train"] * 100 + ["val"] * 20, split_by="part").split
    assert both is not None
    assert [len(part) for part in both] == [80, 20, 20]
    assert both.held_out.tolist() == list(range(100, 120))


def test_groups_stay_together(tmp_path: Path) -> None:
    """No patient is in two parts, whatever the seed, and the parts are near their shares."""
    luck = np.random.default_rng(0)
    patients = [f"p{number}" for number in luck.integers(0, 30, ROWS)]
    tests = set()
    for seed in range(5):
        split = visits(tmp_path, ["-"] * ROWS, patients, groups="patient", seed=seed, drop=["part"]).split
        assert split is not None
        owners = [{patients[place] for place in part} for part in split]
        assert sum(map(len, owners)) == len(set().union(*owners))
        assert sorted(np.concatenate(split)) == list(range(ROWS))
        assert abs(len(split.test) - 24) <= 6
        assert abs(len(split.held_out) - 19) <= 6
        tests.add(tuple(split.test))
    assert len(tests) == 5
    three = visits(tmp_path, ["-"] * ROWS, [place // 50 for place in range(ROWS)], groups="patient").split
    assert three is not None
    assert sorted(len(part) for part in three) == [20, 50, 50]


@pytest.mark.parametrize(
    ("parts", "options", "field", "sentence"),
    [
        (
            ["train", "tset"],
            {"split_by": "part"},
            "split_by",
            "data row 2, column 'part': 'tset' is no part: write train",
        ),
        (["train", ""], {"split_by": "part"}, "split_by", "data row 2, column 'part': the part is missing"),
        (["val", "test"], {"split_by": "part"}, "split_by", "column 'part': says of no row that it is to train on"),
        (["train", "test"], {"split_by": "part"}, "target", "the class 'b' has no row to train on: name other rows"),
        (["g", "h"], {"groups": "part"}, "groups", "column 'part': has 2 different values: there must be at least 3"),
        (["g", ""], {"groups": "part"}, "groups", "data row 2, column 'part': the group is missing"),
        (["train", "test"], {"split_by": "party"}, "split_by", "there is no column 'party'; did you mean part?"),
        (["train", "test"], {"split_by": "part", "groups": "patient"}, "groups", "can't stand beside split_by"),
        (["train", "test"], {"split_by": "diagnosis"}, "split_by", "can't divide the rows: it is the target"),
    ],
)
def test_what_can_not_divide_the_rows_is_refused(
    parts: Any, options: dict[str, Any], field: str, sentence: str, tmp_path: Path
) -> None:
    """With the row where it is one, and the option that is wrong."""
    with pytest.raises(InvalidError) as error:
        visits(tmp_path, parts * (ROWS // 2), **options)
    assert error.value.errors[0].loc == (field,)
    assert sentence in error.value.errors[0].msg


def test_a_file_with_a_test_part_of_its_own_is_divided_by_that(tmp_path: Path) -> None:
    """Another one is refused."""
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    with pytest.raises(InvalidError, match="the file itself says what to test on"):
        table_of(npz(x_train=x, y_train=y, x_test=x, y_test=y), tmp_path, groups="x0")


FEW_ROWS = np.arange(40.0).reshape(20, 2), np.arange(20) + 0.5


@pytest.mark.parametrize("train_rows", [0, 1])
def test_numbers_without_enough_rows_to_divide_are_refused(train_rows: int, tmp_path: Path) -> None:
    """Where the file leaves too few for each part."""
    x, y = FEW_ROWS
    with pytest.raises(InvalidError, match="No row is left to train on, of too few to divide: send other rows"):
        table_of(npz(x_train=x[:train_rows], y_train=y[:train_rows], x_test=x, y_test=y), tmp_path)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_numbers_of_which_a_column_leaves_too_few_to_divide_are_refused(part: str, tmp_path: Path) -> None:
    """One row to train on can't be one to validate with too."""
    parts = ["train"] + [part] * 19 if part != "train" else ["train"] + ["validation"] * 10 + ["test"] * 9
    rows = [f"{number},{name},{number % 3}" for number, name in zip(FEW_ROWS[1], parts, strict=True)]
    sentence = "to train on, of too few to divide" if part != "train" else "in the 1 row to train on"
    with pytest.raises(InvalidError, match=f"{sentence}.*name other rows"):
        table_of("\n".join(["y,part,x", *rows]).encode(), tmp_path, task="regression", split_by="part")


@pytest.mark.parametrize("test_rows", [1, 2])
def test_equal_numbers_to_test_on_will_do(test_rows: int, tmp_path: Path) -> None:
    """As where a small table is searched and a row kept apart; what can't be told of it is said when it is scored."""
    x, y = FEW_ROWS
    split = table_of(npz(x_train=x, y_train=y, x_test=x[:test_rows], y_test=np.full(test_rows, 7.5)), tmp_path).split
    assert split is not None
    assert len(split.test) == test_rows

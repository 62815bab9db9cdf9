"""Tables that become data sets: types, splits, features, and what is left out and said so."""

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load

from app.domain.tables.encoding import Encoding
from app.errors import InvalidError
from app.files.tables import arff_rows, csv_table
from app.files.tables import dataset as table_datasets
from app.files.tables.dataset import TableDataset
from tests.app.files.tables.test_bad_files import features_of, npz, parquet, table_of

HEADING = "row,age,colour,born,smokes,note,same,empty,kind"
ROWS = [
    [
        i,
        "" if i % 10 == 3 else i % 7 + 0.5,
        ["red", "green", "blue"][i % 3],
        f"20{i % 20:02}-01-02",
        ["true", "False"][i % 2],
        f"note {i}",
        7,
        "",
        "ab"[i % 5 < 2],
    ]
    for i in range(60)
]
CSV = "\n".join([HEADING, *(",".join(map(str, row)) for row in ROWS)]).encode()


def used(dataset: TableDataset) -> dict[str, str]:
    """What was done with each column."""
    return {column["name"]: column["use"] for column in dataset.columns}


def test_texts_that_may_be_meant_as_numbers_are_left_out_with_how_numbers_are_written(tmp_path: Path) -> None:
    """Prices with their currency, and dates in another order."""
    rows = [f"{1000 + i} EUR,{i % 28 + 1:02}.{i % 12 + 1:02}.20{i:02},{'ab'[i % 2]}" for i in range(30)]
    dataset = table_of("\n".join(["price,born,kind", *rows]).encode(), tmp_path)
    advice = "numbers are written like 1234.5, dates like 2026-01-31"
    for column in "price", "born":
        assert used(dataset)[column] == f"left out: its 30 texts are all different; {advice}"


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_names_in_angle_brackets_are_no_page(delimiter: str, tmp_path: Path) -> None:
    """Programs of stock exchanges write them."""
    rows = ["<OPEN>,<VOL>,<KIND>", *(f"{i % 7}.5,{i % 5},{'ab'[i % 2]}" for i in range(30))]
    dataset = table_of("\n".join(rows).replace(",", delimiter).encode(), tmp_path)
    assert [*used(dataset)] == ["<OPEN>", "<VOL>", "<KIND>"]


def test_a_column_that_is_to_be_left_out_refuses_no_table(tmp_path: Path) -> None:
    """Neither numbers with commas nor a text among numbers."""
    rows = ["price;year;x;kind", *(f"1,{i};{2000 + i if i else 'unknown'};{i % 7};{'ab'[i % 2]}" for i in range(30))]
    dataset = table_of("\n".join(rows).encode(), tmp_path, drop=["price", "year"])
    assert used(dataset) | {"x": "", "kind": ""} == {
        "price": "left out: you asked for it",
        "year": "left out: you asked for it",
        "x": "",
        "kind": "",
    }


def test_each_column_is_named_with_what_was_done_with_it(tmp_path: Path) -> None:
    """Nothing is dropped without a word: not what counts the rows, nor what is constant, empty or all different."""
    dataset = table_of(CSV, tmp_path, target="kind")
    uses = used(dataset)
    assert uses["row"] == "left out: it counts the rows"
    assert uses["note"] == "left out: its 60 texts are all different"
    assert uses["same"] == "left out: it is the same in every row"
    assert uses["empty"] == "left out: it has no values"
    assert uses["colour"] == "3 features, one for each of its texts"
    assert uses["age"].endswith(", and one for whether it is missing")
    assert re.fullmatch(
        r"1 feature, as days since its mean \d{4}-\d\d-\d\d, divided by its spread, [\d.]+ days", uses["born"]
    )
    assert uses["smokes"].startswith("1 feature, as 1 and 0, less its mean")
    assert uses["kind"] == "the target"
    assert [column["type"] for column in dataset.columns][:5] == [
        "whole numbers",
        "numbers",
        "text",
        "dates",
        "true or false",
    ]


def test_the_encoding_is_that_of_the_rows_to_train_on_and_takes_rows_as_they_are(tmp_path: Path) -> None:
    """Standardised by the rows to train on alone, a raw row becomes what is stored of it."""
    dataset = table_of(CSV, tmp_path, target="kind")
    assert dataset.encoding is not None
    assert dataset.split is not None
    age = dataset.features(dataset.split.train)[:, 0]
    assert abs(float(age[age != 0].sum())) < 1e-4
    names = [column.name for column in dataset.encoding.columns]
    raw_rows = [dict(zip(HEADING.split(","), row, strict=True)) for row in ROWS]
    encoding = Encoding.model_validate_json(dataset.encoding.model_dump_json())
    assert np.allclose(encoding.encode(raw_rows), features_of(dataset), atol=1e-6)
    assert encoding.encode([[row[name] for name in names] for row in raw_rows]) == encoding.encode(raw_rows)
    with pytest.raises(InvalidError) as error:
        encoding.encode([{**raw_rows[0], "age": "old"}, [1], {"age": 1}])
    assert [field.loc for field in error.value.errors] == [("rows", 0, "age"), ("rows", 1), ("rows", 2)]
    assert error.value.errors[0].msg == "must be a number, not 'old'"


def test_the_split_is_stratified_and_the_same_each_time(tmp_path: Path) -> None:
    """Each class is split in the shares; another seed takes other rows."""
    first, again, other = (
        table_of(CSV, tmp_path, target="kind", seed=seed, test_share=0.25).split for seed in (0, 0, 1)
    )
    assert first is not None
    assert again is not None
    assert other is not None
    assert [len(part) for part in first] == [36, 9, 15]
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)
    assert sorted(np.concatenate(first)) == list(range(60))


def test_all_formats_of_one_table_become_the_same(tmp_path: Path) -> None:
    """CSV with semicolons, without a heading or compressed, Parquet, and arrays."""
    x = np.random.default_rng(0).normal(size=(30, 2)).round(3)
    y = np.arange(30) % 3
    lines = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(x.tolist(), y, strict=True))
    files = {
        "csv": (f"a,b,y\n{lines}".encode(), "y"),
        "semicolons": (f"a,b,y\n{lines}".replace(",", ";").encode(), "y"),
        "gz": (gzip.compress(f"a,b,y\r\n{lines}".encode()), "y"),
        "bom": (b"\xef\xbb\xbf" + f"a,b,y\n{lines}".encode(), "y"),
        "headless": (lines.encode(), "column 3"),
        "parquet": (parquet(a=x[:, 0], b=x[:, 1], y=y), "y"),
        "npz": (npz(X=x, Y=y), None),
    }
    file = io.BytesIO()
    np.save(file, np.column_stack([x, y]))
    files["npy"] = file.getvalue(), "2"
    features = {
        kind: features_of(table_of(content, tmp_path, target=target)) for kind, (content, target) in files.items()
    }
    expected = features.pop("csv")
    assert {kind: np.array_equal(expected, array) for kind, array in features.items()} == dict.fromkeys(features, True)


def test_arrays_with_a_test_part_of_their_own_keep_it(tmp_path: Path) -> None:
    """Bytes are divided by 255, and a pixel that is black everywhere stays where it is."""
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    images[:, 0, 0] = 0
    labels = np.arange(40) % 2
    content = npz(x_train=images[:30], y_train=labels[:30], x_test=images[30:], y_test=labels[30:])
    dataset = table_of(content, tmp_path)
    assert dataset.split is not None
    assert dataset.split.test.tolist() == list(range(30, 40))
    assert np.allclose(features_of(dataset), images.reshape(40, 9) / 255)


def test_the_file_of_a_data_set_is_safetensors(tmp_path: Path) -> None:
    """It has features and classes of each part, and can be read by the library."""
    dataset = table_of(CSV, tmp_path, target="kind")
    content = table_datasets.file_of(dataset)
    tensors = load(content)
    facts = table_datasets.facts_of(dataset, "mine", "mine.csv")
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {
        "train_x": [38, facts["features"]], "train_y": [38],
        "held_out_x": [10, facts["features"]], "held_out_y": [10],
        "test_x": [12, facts["features"]], "test_y": [12],
    }  # fmt: skip
    assert np.bincount(tensors["test_y"]).tolist() == facts["class_counts"]["test"]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["encoding"])["target"] == "kind"


@pytest.mark.parametrize(
    ("column", "type_of_column"),
    [
        (pa.array([1, 2, None] * 10), "whole numbers"),
        (pa.array(["a", "b", None] * 10).dictionary_encode(), "text"),
        (pa.array([True, False, None] * 10), "true or false"),
        (pa.array([0, 1, None] * 10, pa.timestamp("ns", "UTC")), "dates"),
    ],
)
def test_types_of_parquet_are_taken_over(column: Any, type_of_column: str, tmp_path: Path) -> None:
    """Numbers, texts, truth values and times, each with missing values."""
    dataset = table_of(parquet(a=column, y=["u", "v"] * 15), tmp_path)
    assert dataset.columns[0]["type"] == type_of_column
    assert dataset.columns[0]["missing"] == 10


def test_a_column_that_is_called_like_a_target_and_is_none_is_shown_and_said_so(tmp_path: Path) -> None:
    """Without a target the columns are described, so that another one can be chosen."""
    dataset = table_of(b"y,kind\n" + b"".join(b"2020-01-0%d,%c\n" % (i + 1, b"ab"[i % 2]) for i in range(8)), tmp_path)
    assert dataset.target_name is None
    assert "'y' can't be the target" in dataset.table.notes[0]


def test_a_number_that_is_the_same_in_all_rows_to_train_on_is_not_divided_by_a_rounding_error(tmp_path: Path) -> None:
    """The standard deviation of many times 0.1 is not quite 0, and what is divided by that is not of this world."""
    rows = [f"0.1,{place % 7},{'ab'[place % 2]}" for place in range(60)]
    split = table_of("\n".join(["a,b,kind", *rows]).encode(), tmp_path, target="kind").split
    assert split is not None
    rows[split.test[0]] = rows[split.test[0]].replace("0.1", "0.2")
    dataset = table_of("\n".join(["a,b,kind", *rows]).encode(), tmp_path, target="kind")
    assert dataset.encoding is not None
    assert dataset.encoding.columns[0].scale == 1


ARFF = b"""% 1. Title: made up
@RELATION 'two kinds'

@ATTRIBUTE 'petal length' NUMERIC
@attribute grade {1,2,3}
@ATTRIBUTE hue {red,'dark blue'}
@ATTRIBUTE kind {0,1}
@DATA
"""


def test_a_file_of_openml_is_a_table_by_what_its_heading_says(tmp_path: Path) -> None:
    """Columns whose values are listed are categories, though they look like numbers."""
    rows = b"".join(
        b"%g,%d,%s,%d\n" % (place / 7, place % 3 + 1, (b"red", b"'dark blue'", b"?")[place % 3], place % 2)
        for place in range(30)
    )
    for content in (ARFF + rows, gzip.compress(ARFF + rows), (ARFF + rows).replace(b"'", b'"')):
        dataset = table_of(content, tmp_path, target="kind")
        assert [column["name"] for column in dataset.columns] == ["petal length", "grade", "hue", "kind"]
        assert [column["type"] for column in dataset.columns] == ["numbers", "text", "text", "text"]
        assert dataset.columns[2]["examples"] == ["dark blue", "red"]
        assert (dataset.columns[2]["missing"], dataset.columns[1]["features"]) == (10, 3)
        assert dataset.target is not None
        assert dataset.target.labels == ("0", "1")


@pytest.mark.parametrize("piece", [64, 2**20])
def test_comments_spaces_and_both_quotes_of_an_arff_are_no_values(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the file is cut into pieces while it is read."""
    monkeypatch.setattr(arff_rows, "PIECE", piece)
    heading = b"@relation r\n@attribute x real\n@attribute note string\n@attribute kind {a,b}\n@data\n"
    rows = b"""% of three, values

0.5, 'red, "dark" %' ,a
  % with as many, commas as, a row has
1.5,"it's",\tb
 ?, ?, a
%
3.5 ,'it\\'s \\'blue\\'',"b"
"""
    dataset = table_of(heading + rows * 5 + b"%\n%", tmp_path, target="kind", category=["note"])
    assert [column["type"] for column in dataset.columns] == ["numbers", "text", "text"]
    assert dataset.table.rows == 20
    assert dataset.columns[1]["examples"] == ["it's", "it's 'blue'", 'red, "dark" %']
    assert [column["missing"] for column in dataset.columns] == [5, 5, 0]
    assert dataset.target is not None
    assert dataset.target.labels == ("a", "b")


def test_a_missing_value_between_spaces_is_missing(tmp_path: Path) -> None:
    """As in tables whose values have a space behind the comma, among numbers and among texts."""
    rows = "".join(f"{place % 7}, {('red', 'blue', '?')[place % 3]}, {place % 2}\n ?, , 0\n" for place in range(30))
    dataset = table_of(f"x,hue,y\n{rows}".encode(), tmp_path)
    assert [(column["type"], column["missing"]) for column in dataset.columns[:2]] == [
        ("whole numbers", 30),
        ("text", 40),
    ]
    assert dataset.columns[1]["examples"] == ["blue", "red"]


def test_names_that_look_like_numbers_stay_as_they_are(tmp_path: Path) -> None:
    """`007` is not `7`, neither as a category nor as a group, though each column has numbers alone."""
    rows = "".join(
        f"{place % 5}.25,{place % 2 * '00'}{place % 3},{place % 4:03},{'ab'[place % 2]}\n" for place in range(60)
    )
    dataset = table_of(f"x,code,group,y\n{rows}".encode(), tmp_path, target="y", category=["code"], groups="group")
    assert [column["examples"] for column in dataset.columns[1:3]] == [["0", "000", "001"], ["000", "001", "002"]]
    column = parquet(code=pa.array([1.5, None, 2.0, float("nan")] * 10), y=["a", "b"] * 20)
    described = table_of(column, tmp_path, category=["code"]).columns[0]
    assert (described["type"], described["examples"], described["missing"]) == ("text", ["1.5", "2"], 20)


def test_a_text_behind_many_numbers_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first rows, by which columns are taken for numbers, have none."""
    monkeypatch.setattr(csv_table, "MAX_HEADING", 64)
    rows = [f"{place}.5,{place % 7},{'ab'[place % 2]}\n" for place in range(400)]
    texts = [*rows[:50], *(row.replace(".5", " pieces") for row in rows[50:])]
    dataset = table_of(f"x,z,y\n{''.join(texts)}".encode(), tmp_path)
    assert [column["type"] for column in dataset.columns] == ["text", "whole numbers", "text"]
    assert dataset.columns[0]["distinct"] == 400
    with pytest.raises(InvalidError, match="Data row 301, column 'x': 'many' is no number, as 399 other values"):
        table_of(f"x,z,y\n{''.join(rows).replace('300.5,', 'many,')}".encode(), tmp_path)
    with pytest.raises(InvalidError, match=r"Data row 301: has 2 values where 3 are expected: '300\.5,6'"):
        table_of(f"x,z,y\n{''.join(rows).replace('300.5,6,a', '300.5,6')}".encode(), tmp_path)
    with pytest.raises(InvalidError, match="Line 302 is not UTF-8"):
        table_of(f"x,z,y\n{''.join(rows)}".encode().replace(b"300.5", b"caf\xe9"), tmp_path)

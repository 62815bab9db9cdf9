"""Tables that become data sets: types, splits, features, and what is left out and said so."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load

from app.domain.tables.encoding import Encoding
from app.errors import InvalidError
from app.files.tables import dataset as table_datasets
from app.files.tables.dataset import TableDataset
from tests.app.files.tables.test_bad_files import npz, parquet, table_of

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
    assert uses["born"].startswith("1 feature, as days since 1970, less its mean")
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
    assert dataset.features is not None
    age = dataset.features[dataset.split.train, 0]
    assert abs(float(age[age != 0].sum())) < 1e-4
    names = [column.name for column in dataset.encoding.columns]
    raw_rows = [dict(zip(HEADING.split(","), row, strict=True)) for row in ROWS]
    encoding = Encoding.model_validate_json(dataset.encoding.model_dump_json())
    assert np.allclose(encoding.encode(raw_rows), dataset.features, atol=1e-6)
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
    features = {kind: table_of(content, tmp_path, target=target).features for kind, (content, target) in files.items()}
    expected = features.pop("csv")
    assert expected is not None
    assert {
        kind: bool(np.allclose(expected, array)) for kind, array in features.items() if array is not None
    } == dict.fromkeys(features, True)


def test_arrays_with_a_test_part_of_their_own_keep_it(tmp_path: Path) -> None:
    """Bytes are divided by 255, and a pixel that is black everywhere stays where it is."""
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    images[:, 0, 0] = 0
    labels = np.arange(40) % 2
    content = npz(x_train=images[:30], y_train=labels[:30], x_test=images[30:], y_test=labels[30:])
    dataset = table_of(content, tmp_path)
    assert dataset.split is not None
    assert dataset.split.test.tolist() == list(range(30, 40))
    assert dataset.features is not None
    assert np.allclose(dataset.features, images.reshape(40, 9) / 255)


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
    dataset = table_of(b"y,kind\n" + b"".join(b"%d.5,%c\n" % (i, b"ab"[i % 2]) for i in range(8)), tmp_path)
    assert dataset.target_name is None
    assert "'y' can't be the target" in dataset.table.notes[0]

"""Files that can't become a data set: each is refused with one sentence that says where and why."""

import contextlib
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.domain.tables.options import TableOptions
from app.errors import InvalidError
from app.files.tables import reading, text_stream
from app.files.tables.dataset import TableDataset, make

ROWS = "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(8))


def table_of(content: bytes, tmp_path: Path, **options: Any) -> TableDataset:
    """The data set of a file with this content."""
    path = tmp_path / "file"
    path.write_bytes(content)
    table_options = TableOptions(**options)
    return make(reading.read(str(path), table_options), table_options)


def features_of(dataset: TableDataset) -> np.ndarray:
    """Of all rows in their order."""
    return dataset.features(np.arange(dataset.table.rows))


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npz_compressed(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def packed(method: int) -> bytes:
    """Arrays x and y in a .zip, packed in this way."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, array in (("x", np.arange(16.0).reshape(8, 2)), ("y", np.arange(8) % 2)):
            with archive.open(f"{name}.npy", "w") as member:
                np.save(member, array)
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "what else")
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones((3, 2)))
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], dict[str, Any], str]] = {
    "nothing": (lambda: b"", {}, "the file is empty"),
    "a heading alone": (lambda: b"x,y\n", {}, "the file has no rows"),
    "no text": (lambda: b"\x89PNG\r\n\0\0\0", {}, "neither text nor Parquet"),
    "another encoding": (lambda: b"x,y\n1,a\n2,caf\xe9\n", {}, "line 3 is not UTF-8"),
    "a ragged row": (lambda: b"x,y\n1,a\n2\n3,b\n", {}, "data row 2: has 1 value where 2 are expected: '2'"),
    "a column twice": (lambda: b"x,x\n1,2\n", {}, "column 'x': is there twice"),
    "very many columns": (
        lambda: f"{','.join(f'c{i}' for i in range(100_000))}\n1\n".encode(),
        {},
        "100,000 columns: at most 20,000",
    ),
    "a first line without an end": (lambda: b"x," * 2**20, {}, "the first line is longer than 1 MiB"),
    "a name of very many letters": (
        lambda: b"x" * 200_000 + b",y\n1,a\n",
        {},
        "first line can't be read: field larger",
    ),
    "mixed types": (
        lambda: f"x,y\n{ROWS}three,a\n".encode(),
        {},
        "data row 9, column 'x': 'three' is no number, as 8 other values of the column are",
    ),
    "an infinite number": (
        lambda: f"x,y\n{ROWS}inf,b\n".encode(),
        {},
        "data row 9, column 'x': is infinite: it must be a number of at most 1e+30",
    ),
    "an unknown target": (
        lambda: f"x,kind\n{ROWS}".encode(),
        {"target": "kinds"},
        "there is no column 'kinds'; did you mean kind?",
    ),
    "a missing target": (
        lambda: b"x,y\n1,a\n2,\n3,b\n4,?\n",
        {},
        "data row 2, column 'y': the target is missing, as in 1 further row: write what it is, or remove these rows",
    ),
    "one class": (lambda: b"x,y\n1,a\n2,a\n", {}, "column 'y' is 'a' in every row: there must be at least two classes"),
    "a rare class": (
        lambda: f"x,y\n{ROWS}9,c\n".encode(),
        {},
        "the class 'c' of column 'y' has 1 row: it needs at least 3",
    ),
    "10,000 classes": (
        lambda: ("x,y\n" + "".join(f"{i}.5,c{i % 10_000}\n" for i in range(30_000))).encode(),
        {},
        "column 'y' has 10,000 different values: at most 1,000 classes",
    ),
    "a number as class": (
        lambda: b"x,y\n1,0.5\n2,1.5\n",
        {"task": "classification"},
        "has 2 different numbers, such as 0.5, and these are no",
    ),
    "nothing to learn from": (lambda: b"y,x\na,1\nb,1\na,1\nb,1\na,1\nb,1\n", {}, "no column is left"),
    "an unknown column to drop": (lambda: f"x,y\n{ROWS}".encode(), {"drop": ["z"]}, "there is no column 'z'"),
    "a damaged .gz": (lambda: gzip.compress(b"x,y\n1,a\n")[:-6], {}, "the .gz is damaged"),
    "damaged Parquet": (lambda: b"PAR1 and no more", {}, "can't be read as Parquet"),
    "Parquet with a damaged end": (
        lambda: (good := parquet(x=[1, 2], y=["a", "b"]))[:-30] + b"\xff" * 22 + good[-8:],
        {},
        "can't be read as Parquet",
    ),
    "a damaged .npy": (lambda: npy().replace(b"'shape': (", b"'shape': (("), {}, "the .npy can't be read"),
    "a ragged row in another encoding": (lambda: b"x,y\n1,a\n2,\xe9,3\n", {}, "line 3 is not UTF-8"),
    "lists in Parquet": (lambda: parquet(x=[[1], [2]], y=["a", "b"]), {"target": "x"}, "column 'x': is of type list"),
    "a damaged .npz": (lambda: b"PK\x03\x04 and no more", {}, "the .zip or .npz is damaged"),
    "an .npz without classes": (lambda: npz(x=np.ones((3, 2))), {}, "the .npz has x: it needs x and y"),
    "one line without an end": (lambda: b"x", {}, "the file has no rows: below its heading each example needs a line"),
    "JSON": (lambda: b'[{"x": 1, "y": "a"},\n {"x": 2, "y": "b"}]', {}, "the file is JSON: save its rows as CSV"),
    "a page": (lambda: b"<!doctype html>\n<table></table>", {}, "the file is HTML or XML: save its rows as CSV"),
    "XML": (lambda: b"<rows>\r\n<row x='1,5'/></rows>", {}, "the file is HTML or XML: save its rows as CSV"),
    "UTF-16": (lambda: f"x,y\n{ROWS}".encode("utf-16"), {}, "the file is UTF-16 text: save it as UTF-8"),
    "a quotation mark alone": (
        lambda: f'x,y\n{ROWS}"9,a\n{ROWS}'.encode(),
        {},
        "perhaps a quotation mark is not closed",
    ),
    "a quotation mark alone before megabytes": (
        lambda: f'x,y\n{ROWS}"'.encode() + b"9" * 40_000_000,
        {},
        "can't be read as CSV: a row is too long; perhaps a quotation mark is not closed",
    ),
    "numbers with commas": (
        lambda: ("x;y\n" + ROWS.replace(",", ";").replace(".", ",")).encode(),
        {},
        "data row 1, column 'x': '0,5' has a comma: write numbers like 1234.5",
    ),
    "thousands apart": (
        lambda: f'x,y\n900,a\n"1,000.5",b\n{ROWS}'.encode(),
        {},
        "data row 2, column 'x': '1,000.5' has a comma: write numbers like 1234.5",
    ),
    "an Excel workbook": (lambda: zipped("xl/workbook.xml"), {}, "is an Excel workbook: save its sheet as CSV"),
    "a pickle": (lambda: npz(x=np.array([[{}]]), y=np.array([1])), {}, "x can't be read: it holds Python objects"),
    "an .npz with damaged numbers": (
        lambda: (
            (good := npz_compressed(x=np.arange(2000.0).reshape(-1, 2), y=np.arange(1000)))[:200]
            + b"\xff" * 99
            + good[299:]
        ),
        {},
        "the .npz is damaged",
    ),
    "an .npy of more rows than there are numbers": (
        lambda: npy().replace(b"(3, 2), }" + 30 * b" ", b"(" + b"9" * 30 + b", 2), }"),
        {},
        "the .npy can't be read: it is damaged",
    ),
    "a .zip with a damaged name": (lambda: zipped("\xe9.npy").replace("\xe9".encode(), b"\xff\xff"), {}, "is damaged"),
    "a .zip of LZMA that is damaged": (
        lambda: (good := packed(zipfile.ZIP_LZMA))[:90] + b"\xff" * 30 + good[120:],
        {},
        "the .npz is damaged",
    ),
    "a .zip whose parts lie before it": (
        lambda: (
            (good := packed(zipfile.ZIP_DEFLATED))[: (at := good.find(b"PK\1\2") + 42)]
            + b"\xf0\xff\xff\xff"
            + good[at + 4 :]
        ),
        {},
        "is damaged",
    ),
    "an ARFF without rows to come": (lambda: b"@relation r\n@attribute x numeric\n", {}, "has no line @data"),
    "a column of an ARFF without a type": (
        lambda: b"@relation r\n@attribute x\n",
        {},
        "line 2 names no column and its",
    ),
    "a sparse ARFF": (lambda: b"@relation r\n@attribute x real\n@data\n{0 1}\n", {}, "the ARFF is sparse"),
    "a sparse ARFF that begins with a comment": (
        lambda: b"@relation r\n@attribute x real\n@data\n% {\n{0 1}\n",
        {},
        "the ARFF is sparse",
    ),
    "a row of an ARFF without an end": (
        lambda: b"@relation r\n@attribute x real\n@data\n" + b"1" * (3 * 2**20),
        {},
        "a row is longer than 1 MiB",
    ),
    "an ARFF of tables": (lambda: b"@attribute x relational\n", {}, "column 'x': holds tables of its own"),
    "a ragged row of an ARFF": (
        lambda: b"@relation r\n@attribute x real\n@attribute y {a,b}\n@data\n1,a\n%\n2\n",
        {},
        "data row 2: has 1 value where 2 are expected: '2'",
    ),
    "an ARFF in another encoding": (
        lambda: b"@relation r\n@attribute x real\n@attribute y string\n@data\n1,a\n2,caf\xe9\n",
        {},
        "line 6 is not UTF-8",
    ),
    "arrays of two lengths": (
        lambda: npz(x=np.ones((3, 2)), y=np.ones(2)),
        {},
        "arrays x and y have the shapes [3, 2] and [2]",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_the_place_where_it_is_bad(case: str, tmp_path: Path) -> None:
    """Row and column are named where there are any."""
    content, options, sentence = BAD[case]
    with pytest.raises(InvalidError) as error:
        table_of(content(), tmp_path, **({"target": "y"} | options))
    assert sentence in error.value.errors[0].msg
    assert error.value.detail[0].isupper()


def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path: Path) -> None:
    """No change of a file gets another error out of a reader than a sentence about the file."""
    luck = random.Random(0)
    csv = f"x,y\n{ROWS}".encode()
    arff = b"@relation r\n@attribute x real\n@attribute 'y' {a,b}\n@data\n" + ROWS.encode()
    arrays = {"x": np.arange(16.0).reshape(8, 2), "y": np.arange(8) % 2}
    files = [csv, arff, gzip.compress(csv), parquet(x=list(range(8)), y=["a", "b"] * 4), npz(**arrays), npy()]
    files += map(packed, (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    pieces = [b",", b"\n", b'"', b"\0", b"inf", b"1e999", b"\xff", b"?", b"9" * 30, b""]
    for _ in range(150):
        content = bytearray(luck.choice(files))
        for _ in range(luck.randint(1, 4)):
            place = luck.randrange(len(content))
            content[place : place + luck.randint(0, 9)] = luck.choice(pieces)
        with contextlib.suppress(InvalidError):
            table_of(bytes(content), tmp_path)


@pytest.mark.parametrize("kind", ["<f2", ">f4", ">f8", "longdouble", ">i8", ">u2", "?"])
def test_numbers_in_any_order_of_bytes_are_read(tmp_path: Path, kind: str) -> None:
    """As other machines, and other programs, write them."""
    numbers = (np.arange(40) % 3).reshape(20, 2).astype(kind)
    dataset = table_of(npz(x=numbers, y=(np.arange(20) % 2).astype(kind)), tmp_path, target="y")
    same = table_of(npz(x=numbers.astype("<f8"), y=np.arange(20) % 2), tmp_path, target="y")
    assert np.array_equal(features_of(dataset), features_of(same))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some kilobytes that become more than is read."""
    monkeypatch.setattr(text_stream, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(InvalidError, match=r"The \.gz becomes more than 1 MiB when it is unpacked"):
        table_of(gzip.compress(b"x,y\n" + b"1,a\n" * 2**19), tmp_path)
    monkeypatch.setattr(reading, "MAX_CELLS", 999)
    with pytest.raises(InvalidError, match=r"The table has 1,000 rows of 1 columns"):
        table_of(parquet(x=["a"] * 1_000), tmp_path)

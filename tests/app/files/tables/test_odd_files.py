"""Files whose parts are of a kind that no program of ours writes: each is refused with one sentence too."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import InvalidError
from tests.app.files.tables.test_bad_files import npz, parquet, table_of


def npy(heading: str) -> bytes:
    """An .npy with this heading, which is an expression in Python."""
    content = heading.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(64)


def heading(**changes: str) -> bytes:
    parts = {"descr": "'<f8'", "fortran_order": "False", "shape": "(2, 2)"} | changes
    return npy("{" + ", ".join(f"'{name}': {value}" for name, value in parts.items()) + "}")


def parquet_of_bytes(*texts: bytes) -> bytes:
    """Bytes that the file says to be texts."""
    binary = pa.array([*texts, b"b"] * 4, pa.binary())
    column = pa.StringArray.from_buffers(len(binary), *binary.buffers()[1:])
    file = io.BytesIO()
    pq.write_table(pa.table({"x": [float(i) for i in range(len(column))], "y": column}), file)
    return file.getvalue()


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a heading nested deeply": (lambda: npy("-" * 4000 + "1"), "the .npy can't be read: it is damaged"),
    "a heading of very many signs": (lambda: npy("-" * 9000 + "1"), "the .npy can't be read: it is damaged"),
    "a size of very many signs": (
        lambda: heading(shape=f"({'-' * 9000}1, 2)"),
        "the .npy can't be read: it is damaged",
    ),
    "a size below none": (lambda: heading(shape="(-1, 2)"), "the .npy can't be read: it is damaged"),
    "sizes beyond all memory": (
        lambda: heading(shape="(1099511627776, 2)"),
        "the .npy has 2,199,023,255,552 values: at most 200,000,000 are read",
    ),
    "a type of no parts": (lambda: heading(descr="()"), "the .npy can't be read: it is damaged"),
    "a text of half a character": (
        lambda: npz(x=np.ones((8, 2)), y=np.array([0xD800, 0x61] * 4, np.uint32).view("<U1")),
        "a text of it is none in Unicode",
    ),
    "a class with U+0000 in Parquet": (
        lambda: parquet(x=[1.5, 2.5] * 4, y=["a\0b", "c"] * 4),
        "column 'y': has a text with the character U+0000",
    ),
    "a name with U+0000": (lambda: parquet(**{"x\0": [1.5, 2.5] * 4, "y": ["a", "b"] * 4}), "the character U+0000"),
    "a name of an ARFF with U+0000": (
        lambda: b"@relation r\n@attribute x\0 real\n@attribute y {a,b}\n@data\n1,a\n",
        "the character U+0000",
    ),
    "texts in Parquet that are none": (lambda: parquet_of_bytes(b"\xff\xfe"), "the file can't be read as Parquet"),
    "times that no calendar has": (
        lambda: parquet(x=pa.array([2**62, 1] * 4, pa.timestamp("us")), y=["a", "b"] * 4),
        "column 'x': can't be read",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_refused(case: str, tmp_path: Path) -> None:
    content, sentence = ODD[case]
    options: dict[str, Any] = {"target": "y", "category": ["x"] if "times" in case else []}
    with pytest.raises(InvalidError) as error:
        table_of(content(), tmp_path, **options)
    assert sentence in error.value.errors[0].msg

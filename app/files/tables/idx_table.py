"""Reads the IDX files of MNIST and its relatives from a .zip: images and labels, also as .gz."""

import math
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from app.domain.tables.limits import MAX_UNPACKED_BYTES
from app.files.array_file import Array
from app.files.tables.numpy_table import of_arrays
from app.files.tables.table import Table, refusal, unzipped

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""Of numbers, by the third byte of a file."""
MAX_DIMENSIONS = 4


class Member(NamedTuple):
    """A file of the .zip, by what its name says of it."""

    item: zipfile.ZipInfo
    is_test: bool
    has_labels: bool


def read(path: str) -> Table:
    """The table of `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, where they are there, those of `t10k`.

    Raises InvalidError.
    """
    with unzipped(path, ".zip") as archive:
        arrays = {(member.is_test, member.has_labels): _array(archive, member.item) for member in _members(archive)}
    x, y, test_x, test_y = (arrays.get(key) for key in ((False, False), (False, True), (True, False), (True, True)))
    if x is None or y is None or (test_x is None) != (test_y is None):
        raise refusal("the .zip must hold images and labels to train on, and both or none of those to test on")
    return of_arrays(x, y, None if test_x is None or test_y is None else (test_x, test_y))


def _members(archive: zipfile.ZipFile) -> list[Member]:
    """Its images and labels. Raises InvalidError where there are several of one part."""
    members = []
    for item in archive.infolist():
        name = _file_name(item).lower()
        if "idx" in name and ("images" in name or "labels" in name):
            members.append(Member(item, "t10k" in name or "test" in name, "labels" in name))
    if len({member[1:] for member in members}) < len(members):
        raise refusal("the .zip holds some of its files twice: it needs one for the images of a part, one for labels")
    return members


def _file_name(item: zipfile.ZipInfo) -> str:
    return item.filename.rsplit("/", 1)[-1]


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Array:
    content = _content(archive, item)
    name = _file_name(item)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or not 1 <= content[3] <= MAX_DIMENSIONS:
        raise refusal(f"{name} is no IDX file")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], ">u4").tolist()
    kind = np.dtype(TYPES[content[2]])
    if len(shape) < content[3] or len(content) != start + kind.itemsize * math.prod(shape):
        raise refusal(f"{name} is cut off or altered: its beginning tells of {shape}, which it has not")
    array: Array = np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))
    return array


def _content(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> bytes:
    """The bytes of a file of the .zip, unpacked where they are packed once more."""
    with archive.open(item) as file:
        content = file.read(MAX_UNPACKED_BYTES + 1)
    if content.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(content, MAX_UNPACKED_BYTES + 1)
        if not unpacker.eof and len(content) <= MAX_UNPACKED_BYTES:
            raise EOFError
    if len(content) > MAX_UNPACKED_BYTES:
        size = f"{MAX_UNPACKED_BYTES // 2**20:,} MiB"
        raise refusal(f"{_file_name(item)} becomes more than {size} when it is unpacked")
    return content

"""The file of a dump: a zip with the rows of each table as COPY writes them, and a header about them."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from app.errors import StartError, in_short

FORMAT = 1
PIECE_BYTES = 2**20
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError),
    *(NotImplementedError, RuntimeError, EOFError),  # of a zip that is packed or locked in another way
)
"""What reading a file raises that is no dump, or none that this program wrote."""
_HEADER = "header.json"
_DIGEST_BYTES = 64


@dataclass
class TableInfo:
    """One table of a dump."""

    columns: list[str]
    rows: int


@dataclass
class Header:
    """What a dump holds."""

    program: str  # version of Perceptune that wrote it
    revision: str  # of the tables
    postgres: str
    at: str
    tables: dict[str, TableInfo] = field(default_factory=dict)  # in an order in which they can be filled
    next_numbers: dict[str, dict[str, int]] = field(default_factory=dict)  # of identity columns, by table
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.rows for table in self.tables.values())


_HEADERS = TypeAdapter(Header)


def write_rows(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
    """Adds the rows of a table."""
    with archive.open(f"tables/{name}", "w", force_zip64=True) as member:
        for piece in pieces:
            member.write(piece)


def write_header(archive: zipfile.ZipFile, header: Header) -> None:
    """Adds the header, and room for the digest of the file."""
    archive.writestr(_HEADER, json.dumps(asdict(header), indent=1))
    archive.comment = b"0" * _DIGEST_BYTES


def seal(path: Path) -> None:
    """Ends the file, the zip's comment, with the SHA-256 of all that is before."""
    with path.open("r+b") as file:
        digest = _digest(file)
        file.seek(-_DIGEST_BYTES, os.SEEK_END)
        file.write(digest)


def _digest(file: BinaryIO) -> bytes:
    """The SHA-256 of a file without the place of its digest, in hexadecimal digits."""
    left_bytes = file.seek(0, os.SEEK_END) - _DIGEST_BYTES
    file.seek(0)
    digest = hashlib.sha256()
    while left_bytes > 0 and (piece := file.read(min(PIECE_BYTES, left_bytes))):
        digest.update(piece)
        left_bytes -= len(piece)
    return digest.hexdigest().encode()


def read_rows(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The rows of a table, piece by piece. Raises StartError where they can't be read."""
    try:
        with archive.open(f"tables/{name}") as member:
            while piece := member.read(PIECE_BYTES):
                yield piece
    except _DAMAGE as error:
        raise _damaged(Path(archive.filename or ""), error) from None


def check(path: Path) -> Header:
    """The header of a dump whose every byte was looked at. Raises StartError where it is damaged, or no dump."""
    try:
        with path.open("rb") as file:
            if _digest(file) != file.read():
                raise ValueError("its digest is not that of its bytes")
        with zipfile.ZipFile(path) as archive:
            return _header(archive)
    except OSError as error:
        raise StartError(f"{path} can't be read: {error.strerror or error}.") from None
    except _DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> StartError:
    """The error of a dump that can't be used, with the first line of what was met in it."""
    return StartError(f"{path} is no dump, or damaged ({in_short(error)}): nothing was changed; use another copy.")


def _header(archive: zipfile.ZipFile) -> Header:
    values = json.loads(archive.read(_HEADER))
    if values["format"] != FORMAT:
        raise StartError(f"This dump has the format {values['format']}, of a newer Perceptune: use that one.")
    return _HEADERS.validate_python(values)

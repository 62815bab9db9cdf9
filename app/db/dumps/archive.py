"""The file of a dump: a zip with the rows of each table as COPY writes them, and a header that says what is in it."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.errors import StartError

FORMAT = 1
PIECE_BYTES = 2**20
_HEADER = "header.json"


@dataclass
class TableInfo:
    """One table of a dump."""

    columns: list[str]
    rows: int
    sha256: str


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


def write_rows(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes | bytearray | memoryview]) -> str:
    """Adds the rows of a table; returns their SHA-256."""
    digest = hashlib.sha256()
    with archive.open(f"tables/{name}", "w", force_zip64=True) as member:
        for piece in pieces:
            digest.update(piece)
            member.write(piece)
    return digest.hexdigest()


def write_header(archive: zipfile.ZipFile, header: Header) -> None:
    """Adds the header, last: a dump that was broken off has none."""
    archive.writestr(_HEADER, json.dumps(asdict(header), indent=1))


def read_rows(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The rows of a table, piece by piece."""
    with archive.open(f"tables/{name}") as member:
        while piece := member.read(PIECE_BYTES):
            yield piece


def check(path: Path) -> Header:
    """The header of a dump whose every byte was looked at. Raises StartError where it is damaged, or no dump."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = _header(archive)
            for name, table in header.tables.items():
                digest = hashlib.sha256()
                for piece in read_rows(archive, name):
                    digest.update(piece)
                if digest.hexdigest() != table.sha256:
                    raise ValueError(f"the rows of {name} are not those that were written")
    except OSError as error:
        raise StartError(f"{path} can't be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StartError(f"{path} is no dump, or damaged ({error}): nothing was changed; use another copy.") from None
    return header


def _header(archive: zipfile.ZipFile) -> Header:
    values = json.loads(archive.read(_HEADER))
    if values["format"] != FORMAT:
        raise StartError(f"This dump has the format {values['format']}, of a newer Perceptune: use that one.")
    return Header(**{**values, "tables": {name: TableInfo(**table) for name, table in values["tables"].items()}})

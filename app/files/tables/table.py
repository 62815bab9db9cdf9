"""A table as it was read from a file, and the sentences about one that can't be used."""

import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.domain.tables.limits import MAX_COLUMNS
from app.errors import FieldError, InvalidError

USUAL_TARGETS = ("target", "class", "label", "species", "y")
"""Names of a column that is the target where none is named, the first that there is, in any case of letters."""
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, RuntimeError, NotImplementedError, ValueError),
)
"""What reading a .zip raises, whichever part of it was altered: a name, a place or what is packed."""


@dataclass
class Table:
    """Columns of one length, not typed yet."""

    names: Sequence[str]
    columns: list[Any]
    """pyarrow's arrays; those of a CSV are text."""
    rows: int
    notes: Sequence[str] = ()
    """What was made of the file, beside what was made of its columns."""
    test_rows: int = 0
    """The last ones, where the file says itself what to test on."""
    white: float | None = None
    """The number that all are divided by, where they are bytes such as grey values."""
    categories: Collection[str] = ()
    """Columns whose values are names by what the file says, also where they look like numbers."""

    def usual_target(self) -> str | None:
        """The name of the column that is probably the target."""
        by_lower_name = {name.lower(): name for name in reversed(self.names)}
        return next((by_lower_name[name] for name in USUAL_TARGETS if name in by_lower_name), None)


def refusal(msg: str, row: int | None = None, column: str | None = None, field: str = "file") -> InvalidError:
    """The error of a file that can't be used: `Data row 3, column 'age': ...`. They count from 1, below the heading."""
    places = [] if row is None else [f"data row {row:,}"]
    places += [] if column is None else [f"column {column!r}"]
    place = ", ".join(places)
    sentence = f"{place}: {msg}" if place else msg
    return InvalidError(f"{sentence[:1].upper()}{sentence[1:]}.", [FieldError((field,), sentence)])


@contextmanager
def unzipped(path: str, name: str) -> Iterator[zipfile.ZipFile]:
    """The .zip file, of this name, while the block reads it. Raises InvalidError where any of it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE:
        raise refusal(f"the {name} is damaged: it can't be unpacked") from None


def check_names(names: Sequence[str]) -> None:
    """Raises InvalidError for too many columns, for two of one name, and for a name that is no text."""
    if len(names) > MAX_COLUMNS:
        raise refusal(f"the table has {len(names):,} columns: at most {MAX_COLUMNS:,}")
    if any("\0" in name for name in names):
        raise refusal("the name of a column has the character U+0000")
    doubled = next((name for name, times in Counter(names).items() if times > 1), None)
    if doubled is not None:
        raise refusal("is there twice: each column needs a name of its own", column=doubled)

"""The sentences about an embedded Postgres that can't be made or started."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StartError


@contextmanager
def refusals_as_sentences(folder: Path) -> Iterator[None]:
    """Raises StartError with a sentence where the operating system refuses something in the folder."""
    try:
        yield
    except OSError as error:
        raise StartError(unusable_folder(folder, error.strerror or str(error))) from error


def unusable_folder(folder: Path, reason: str) -> str:
    """Why the database can't be in this folder, and what to do."""
    return (
        f"The embedded database can't be kept in {folder} ({reason}): "
        "choose another folder with PERCEPTUNE_HOME, or set DATABASE_URL."
    )


def first_error(output: bytes) -> str:
    """The first error in what Postgres printed, in its words; those that follow are mostly its consequences."""
    lines = output.decode(errors="replace").strip().splitlines() or ["it says nothing"]
    errors = [line[line.index(word) :] for line in lines for word in ("error:", "FATAL:", "PANIC:") if word in line]
    return " ".join((errors or lines[-1:])[0].split())

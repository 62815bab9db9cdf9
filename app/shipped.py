"""The folders that the program comes with beside its packages: in its repository, or where pip has put them."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]


def shipped_folder(name: str) -> Path:
    """`alembic` or `docs`."""
    # where pip has put the packages, `alembic` is the library of this name
    is_repository = (_REPOSITORY / "alembic" / "versions").is_dir()
    return (None if is_repository else _installed(name)) or _REPOSITORY / name


def _installed(name: str) -> Path | None:
    """Where pip has put it, which depends on how it was called; pyproject.toml says what is in it."""
    try:
        installed_files = files("perceptune") or []
    except PackageNotFoundError:
        return None
    for file in installed_files:
        if f"share/perceptune/{name}/" in file.as_posix():
            parents = Path(str(file.locate())).resolve().parents
            return next(parent for parent in parents if parent.name == name and parent.parent.name == "perceptune")
    return None

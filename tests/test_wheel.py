"""The program as pip installs it: everything that it comes with is there, away from its repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.paths import ROOT

PROGRAM = """
from app import shipped
from app.db.migrations import program_version
from app.web.pages.docs.documents import groups
print(shipped.__file__, len([document for group in groups() for document in group.documents]))
print(program_version())
"""


def test_what_is_installed_is_whole(tmp_path: Path) -> None:
    """Pages, styles, migrations and documents, as many as in the repository."""
    source, prefix = tmp_path / "source", tmp_path / "prefix"
    source.mkdir()
    for name in ("app", "worker", "alembic", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    install(source, prefix)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))
    shipped = prefix / "share" / "perceptune"
    for folder in (packages / "app", packages / "worker", shipped / "alembic", shipped / "docs"):
        assert files_of(folder) == files_of(source / folder.name)
    environment = os.environ | {"PYTHONPATH": str(packages)}
    program = [sys.executable, "-P", "-c", PROGRAM]
    place, version = subprocess.check_output(program, cwd="/", env=environment, text=True).splitlines()
    documents = len([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "adr").glob("*.md")])
    assert place == f"{packages / 'app' / 'shipped.py'} {documents}"
    head = max(path.name for path in (ROOT / "alembic" / "versions").glob("0*.py"))[:4]
    assert version.endswith(f"(tables {head})")


def test_the_metadata_is_installed_without_files(tmp_path: Path) -> None:
    """As images do, which copy the program itself later than its packages."""
    source, prefix = tmp_path / "source", tmp_path / "prefix"
    source.mkdir()
    shutil.copy(ROOT / "pyproject.toml", source)
    (source / "README.md").touch()
    install(source, prefix)
    assert (prefix / "bin" / "perceptune").is_file()


def install(source: Path, prefix: Path) -> None:
    """Has pip put it there, without what it needs, which is here already."""
    # what is installed stays as it is: pip would take it away first
    beside, offline = ["--ignore-installed", f"--prefix={prefix}"], ["--no-deps", "--no-index", "--no-build-isolation"]
    options = ["--quiet", "--no-compile", *beside, *offline]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, cwd=source.parent)


def files_of(folder: Path) -> set[str]:
    """Their places in it."""
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in paths if "__pycache__" not in path.parts}

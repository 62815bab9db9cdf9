"""The documents that the dashboard shows: the Markdown files of docs/, in the order in which they are read."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from markupsafe import Markup

from app.errors import NotFoundError
from app.shipped import shipped_folder
from app.web.markdown import document_html

ADDRESS = "/docs"
_FOLDER = shipped_folder("docs")
_PICTURES = {".png", ".svg"}

# Every document that is in no group comes last.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Using it": (
        "exercises",
        "hyperparameters",
        "search",
        "pruning",
        "charts",
        "diagnostics",
        "timing",
        "regression",
        "client",
    ),
    "Your data": ("your-data", "data", "models", "lifecycle", "compared-to-optuna-dashboard"),
    "Running it": ("operations", "compose", "kubernetes", "ray", "scale", "security", "reliability", "performance"),
    "How it is built": ("architecture", "why-it-is-fast", "legs", "dependencies"),
}
_DECISIONS, _FURTHER = "Decisions", "Further documents"


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    name: str
    """Its path below docs/, without the ending."""

    @property
    def address(self) -> str:
        """Its page."""
        return f"{ADDRESS}/{self.name}"

    @property
    def text(self) -> str:
        """The file's content."""
        return _path(self.name).read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """Its first heading."""
        return next(line for line in self.text.splitlines() if line.startswith("# ")).removeprefix("# ")

    @property
    def html(self) -> Markup:
        """Its content as part of a page."""
        return _html(self.name, _path(self.name).stat().st_mtime_ns)


@dataclass(frozen=True)
class Group:
    """Documents that belong together."""

    title: str
    documents: tuple[Document, ...]


def groups() -> list[Group]:
    """All documents, by what a reader wants to know."""
    names = {path.relative_to(_FOLDER).with_suffix("").as_posix() for path in _FOLDER.rglob("*.md")}
    decisions = sorted(name for name in names if name.startswith("adr/"))
    grouped_names = {*chain.from_iterable(_GROUPS.values()), *decisions}
    titles = {**_GROUPS, _FURTHER: sorted(names - grouped_names), _DECISIONS: decisions}
    listed_groups = (
        Group(title, tuple(Document(name) for name in group_names if name in names))
        for title, group_names in titles.items()
    )
    return [group for group in listed_groups if group.documents]


def document(name: str) -> Document:
    """The document of that name. Raises NotFoundError."""
    if name not in {entry.name for group in groups() for entry in group.documents}:
        raise NotFoundError(f"There is no document {name!r}; {ADDRESS} lists them.")
    return Document(name)


def picture(name: str) -> Path:
    """The picture of that path below docs/. Raises NotFoundError."""
    if name not in set(_picture_names()):
        raise NotFoundError(f"There is no picture {name!r}.")
    return _FOLDER / name


def _picture_names() -> Iterator[str]:
    paths = (path for path in _FOLDER.rglob("*") if path.suffix in _PICTURES)
    return (path.relative_to(_FOLDER).as_posix() for path in paths)


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.md"


@cache
def _html(name: str, modified_at: int) -> Markup:  # noqa: ARG001 (a changed file is read again)
    return document_html(Document(name).text, lambda address: _address_here(name, address))


def _address_here(name: str, address: str) -> str | None:
    """Where a link of a document leads on this server; None where it leads to a file that is not served."""
    path, mark, anchor = address.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return address
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    if (_FOLDER / target).suffix not in {".md", *_PICTURES} or not (_FOLDER / target).is_file() or ".." in target:
        return None
    return f"{ADDRESS}/{target.removesuffix('.md')}{mark}{anchor}"

"""The names that source files bind: `python -m tests.support.bound_names app worker` lists bare words in them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

# A participle or a pronoun says what happened to a thing, or that it was mentioned before, but not what it is: a reader
# has to look for the noun. `accepted_ids`, `best_trial` and `other_runs` say it; `found`, `one` and `others` don't.
_PARTICIPLES = (
    *("asked", "chosen", "done", "drawn", "found", "given", "gone", "held", "kept", "known", "left", "listed", "lost"),
    *("made", "needed", "said", "seen", "shown", "taken", "told", "tried", "used", "wanted", "written"),
)
_PRONOUNS = ("both", "each", "mine", "more", "one", "other", "others", "their", "theirs")
BARE_WORDS = frozenset(_PARTICIPLES + _PRONOUNS)


class BoundName(NamedTuple):
    """A name with the place that binds it."""

    name: str
    path: Path
    line: int


def bound_names(path: Path) -> Iterator[BoundName]:
    """Arguments, variables, attributes of `self`, fields, functions and classes, without leading underscores."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name, line in _names_of(node):
            yield BoundName(name.lstrip("_"), path, line)


def _names_of(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name, node.lineno
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            yield name, node.lineno
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, node.lineno
        case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
            yield name, node.lineno


def source_files(*folders: str) -> list[Path]:
    """The Python files of these folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def main() -> None:
    """Prints each bare word that is bound, and their share of all names."""
    names = [name for path in source_files(*sys.argv[1:]) for name in bound_names(path)]
    bare_names = [name for name in names if name.name in BARE_WORDS]
    for name in bare_names:
        print(f"{name.path.relative_to(ROOT)}:{name.line}: {name.name}")
    print(f"{len(bare_names)} of {len(names)} bound names are bare words")


if __name__ == "__main__":
    main()

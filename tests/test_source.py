"""What holds of every source file: its names, its first line, its size, and the tree that is printed of them."""

import ast
from collections import Counter
from pathlib import Path

from tests.support.bound_names import BARE_WORDS, bound_names, source_files
from tests.support.paths import ROOT
from tests.support.source_tree import first_line, printed_tree, tree

SOURCES = source_files("app", "worker", "client/src")
ALL_SOURCES = [*SOURCES, *source_files("tests", "benchmarks", "alembic")]
# whose fields are called what clients call them
HTTP_CONTRACT = {ROOT / "app" / "schemas", ROOT / "client" / "src" / "perceptune" / "_models.py"}
GENERATED = {ROOT / "client" / "src" / "perceptune" / "_models.py"}
LOGS = {"alembic/versions"}  # of what was changed when: each module is named by its number
MAX_LINES = 350  # of a module: what wants more is usually two nouns
MAX_MODULES = 15  # of a package: as many as are read as a table of contents
MAX_FIRST_LINE = 110  # characters, so that the tree has no broken lines


def test_no_name_is_a_bare_participle_or_pronoun() -> None:
    """`found`, `one` and `left` say that there was a thing, not which: a name has its noun."""
    paths = (path for path in SOURCES if HTTP_CONTRACT.isdisjoint({path, path.parent}))
    names = [name for path in paths for name in bound_names(path) if name.name in BARE_WORDS]
    assert [f"{name.path.relative_to(ROOT)}:{name.line}: {name.name}" for name in names] == []


def test_the_printed_tree_is_that_of_the_packages() -> None:
    """docs/architecture.md has what `python -m tests.support.source_tree` prints; `--write` brings it up to date."""
    assert printed_tree() == tree()


def test_every_module_says_in_one_line_what_is_in_it() -> None:
    """The first line of its docstring is there, and short enough for the tree."""
    lines = {str(path.relative_to(ROOT)): first_line(path) for path in SOURCES}
    assert {path: line for path, line in lines.items() if not 0 < len(line) <= MAX_FIRST_LINE} == {}


def test_no_package_is_a_pile() -> None:
    """A package has few enough modules to be read as a table of contents, of tests and benchmarks too."""
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in ALL_SOURCES if path.name != "__init__.py")
    assert {package: count for package, count in counts.items() if count > MAX_MODULES and package not in LOGS} == {}


def test_no_module_is_long() -> None:
    """A module has few enough lines to be read at once, of tests and benchmarks too."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in ALL_SOURCES if path not in GENERATED}
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MAX_LINES} == {}


def test_functions_are_short() -> None:
    """Half of them have at most 8 lines, nine in ten at most 20, docstrings not counted."""
    lengths = sorted(length for path in SOURCES for length in _function_lengths(path))
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[9 * len(lengths) // 10] <= 20


def _function_lengths(path: Path) -> list[int]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [_length(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the function's body."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0

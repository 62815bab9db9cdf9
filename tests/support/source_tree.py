"""The tree of docs/architecture.md, from the first lines of packages and modules; `--write` brings it up to date."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

DOCUMENT = ROOT / "docs" / "architecture.md"
PACKAGES = ("app", "worker")  # with all that is in them; of the others the package alone
OTHER_PACKAGES = ("benchmarks", "tests")
BEGIN, END = "<!-- tree -->", "<!-- end of tree -->"
WIDTH = 27


def first_line(path: Path) -> str:
    """What a module says of itself, without the full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].removesuffix(".")


def tree_lines(package: Path, depth: int = 0) -> Iterator[str]:
    """A line for the package and one for each module below it: modules first, then packages, by name."""
    yield _line(f"{package.name}/", depth, first_line(package / "__init__.py"))
    for module in sorted(package.glob("*.py")):
        if module.name != "__init__.py":
            yield _line(module.name, depth + 1, first_line(module))
    for inner_package in sorted(path.parent for path in package.glob("*/__init__.py")):
        yield from tree_lines(inner_package, depth + 1)


def tree() -> str:
    """The tree as a block of Markdown."""
    lines = [line for name in PACKAGES for line in tree_lines(ROOT / name)]
    lines += [_line(f"{name}/", 0, first_line(ROOT / name / "__init__.py")) for name in OTHER_PACKAGES]
    return "\n".join([BEGIN, "```", *lines, "```", END])


def printed_tree() -> str:
    """The tree that stands in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def _line(name: str, depth: int, meaning: str) -> str:
    return f"{'  ' * depth + name:{WIDTH}} {meaning}".rstrip()


def main() -> None:
    """Prints the tree, or with --write puts it into the document."""
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(DOCUMENT.read_text(encoding="utf-8").replace(printed_tree(), tree()), encoding="utf-8")
    else:
        print(tree())


if __name__ == "__main__":
    main()

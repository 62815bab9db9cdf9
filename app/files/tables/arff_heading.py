"""The heading of ARFF, in which OpenML and Weka publish tables: names of columns, and which are categories."""

import re
from typing import NamedTuple

from app.files.tables.table import check_names, refusal

ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.*)""", re.IGNORECASE)
BEGIN = re.compile(rb"(?:\s|%.*\n)*@(?:relation|attribute)\s", re.IGNORECASE)
SPARSE = re.compile(rb"(?:\s|%.*\n)*\{")
ESCAPED = re.compile(r"\\(.)")


class Heading(NamedTuple):
    """What stands before the rows of an ARFF file."""

    names: list[str]
    categories: set[str]
    """Of the columns whose values are listed."""
    size: int
    """Its bytes."""


def begins(head: bytes) -> bool:
    """Whether a file that begins so is ARFF."""
    return BEGIN.match(head) is not None


def read(head: bytes) -> Heading:
    """The heading of a file that begins so. Raises InvalidError."""
    attributes: list[tuple[str, str]] = []
    size = 0
    for number, line in enumerate(head.splitlines(keepends=True), 1):
        size += len(line)
        text = _decoded(line, number).strip()
        if text.lower().startswith("@attribute"):
            attributes.append(_attribute(text, number))
        elif text.lower().startswith("@data"):
            break
        elif text and not text.startswith("%") and not text.lower().startswith("@relation"):
            raise refusal(f"line {number:,} is none of an ARFF heading: {text[:60]!r}")
    else:
        raise refusal("the file begins as ARFF, and has no line @data in its first MiB")
    names = [name for name, _ in attributes]
    check_names(names)
    if SPARSE.match(head, size):
        raise refusal("the ARFF is sparse: its rows must have a value for each column")
    return Heading(names, {name for name, kind in attributes if kind.startswith("{")}, size)


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise refusal(f"line {number:,} is not UTF-8: save the file as UTF-8") from None


def _attribute(text: str, number: int) -> tuple[str, str]:
    """The name of a column and its type."""
    parts = ATTRIBUTE.fullmatch(text)
    if parts is None or not parts[2]:
        raise refusal(f"line {number:,} names no column and its type: {text[:60]!r}")
    name, kind = parts[1], parts[2]
    if kind.lower().startswith("relational"):
        raise refusal("holds tables of its own: a column must hold numbers, texts or dates", column=name)
    return (ESCAPED.sub(r"\1", name[1:-1]) if name[0] in "'\"" else name), kind

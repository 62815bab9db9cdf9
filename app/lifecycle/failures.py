"""The errors of failed trials: which one most of them share."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class CommonError(NamedTuple):
    """An error that several trials share, whatever the numbers in it."""

    words: str
    """`…` stands for numbers that differ."""
    trials: int
    """How many have it."""


def most_common_error(errors: Sequence[str]) -> CommonError:
    """The one that most of these trials have; there is at least one."""
    patterns = [re.sub(r"\d+", "…", error) for error in errors]
    pattern, count = Counter(patterns).most_common(1)[0]
    texts = [error for error, its_pattern in zip(errors, patterns, strict=True) if its_pattern == pattern]
    return CommonError(_merged(texts), count)


def _merged(texts: Sequence[str]) -> str:
    """What the texts have in common: they differ in numbers alone."""
    pieces = zip(*(re.split(r"(\d+)", text) for text in texts), strict=True)
    return "".join(column[0] if len(set(column)) == 1 else "…" for column in pieces)

"""The errors of failed trials: which one most of them share."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
_SHARE_OF_RUNS = re.compile(r" \(\d+ of \d+ runs\)$")  # of one trial alone


class CommonError(NamedTuple):
    """An error that several trials share, whatever the numbers in it."""

    words: str
    """Numbers that differ are a range: `diverged at epoch 1 to 3`."""
    trials: int
    """How many have it."""


def most_common_error(errors: Sequence[str]) -> CommonError:
    """The one that most of these trials have; there is at least one."""
    texts = [_SHARE_OF_RUNS.sub("", error) for error in errors]
    patterns = [_NUMBER.sub("…", text) for text in texts]
    pattern, count = Counter(patterns).most_common(1)[0]
    return CommonError(_merged([text for text, own in zip(texts, patterns, strict=True) if own == pattern]), count)


def _merged(texts: Sequence[str]) -> str:
    """What the texts say together: they differ in numbers alone."""
    pieces = zip(*(_NUMBER.split(text) for text in texts), strict=True)
    return "".join(column[0] if len(set(column)) == 1 else _range(column) for column in pieces)


def _range(numbers: Sequence[str]) -> str:
    """From the smallest to the largest."""
    return f"{min(numbers, key=float)} to {max(numbers, key=float)}"

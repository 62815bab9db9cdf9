"""Requirements of a sweep, such as `best >= 0.95`, by which a CI job passes or fails."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from app.domain.formatting import number
from app.errors import InvalidError

if TYPE_CHECKING:
    from perceptune import SweepOut

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_FIGURES: dict[str, Callable[[SweepOut], float | None]] = {
    "best": lambda sweep: sweep.best.value if sweep.best else None,
    "expected": lambda sweep: sweep.best.expected if sweep.best else None,
    "bound": lambda sweep: sweep.best.bound if sweep.best else None,
    "complete": lambda sweep: sweep.counts.complete,
    "failed": lambda sweep: sweep.counts.failed,
    "seconds": lambda sweep: sweep.took_seconds,
}
COMPLETED = "the sweep is completed"


class Check(NamedTuple):
    """A requirement, and what the sweep has."""

    text: str
    passed: bool
    detail: str


class Requirement(NamedTuple):
    """A figure of a sweep, a comparison and a number."""

    figure: str
    sign: str
    bound: float

    @property
    def text(self) -> str:
        """The requirement as it is written."""
        return f"{self.figure} {self.sign} {number(self.bound)}"

    def check(self, sweep: SweepOut) -> Check:
        """Whether the sweep meets it; where it has no such figure it does not."""
        value = _FIGURES[self.figure](sweep)
        if value is None:
            return Check(self.text, False, f"the sweep has no {self.figure}")
        return Check(self.text, _COMPARISONS[self.sign](value, self.bound), f"{self.figure} is {number(float(value))}")


def parse(text: str) -> Requirement:
    """The requirement that the text says. Raises InvalidError."""
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|==|>|<)\s*([-+0-9.eE]+)\s*", text)
    try:
        if match is None or match[1] not in _FIGURES:
            raise ValueError
        return Requirement(match[1], match[2], float(match[3]))
    except ValueError:
        raise InvalidError(
            f"{text!r} is no requirement: write e.g. 'best >= 0.95'; there are {', '.join(_FIGURES)}."
        ) from None


def checks(sweep: SweepOut, requirements: list[Requirement]) -> list[Check]:
    """That the sweep was completed, and each requirement."""
    state = Check(COMPLETED, sweep.state == "completed", f"it is {sweep.state}")
    return [state, *(requirement.check(sweep) for requirement in requirements)]

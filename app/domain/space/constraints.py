"""The constraints of a sweep: comparisons that a configuration has to satisfy."""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from app.domain.configuration import LAYER_WIDTHS, MLPConfig, with_defaults
from app.domain.space.columns import PARAMETERS, Columns

Numbers = Mapping[str, Any]
"""Floats by name; of many configurations at once, a column for each name."""
Term = Callable[[Numbers], Any]
"""A function of those, which computes with columns as with floats."""

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Constraint:
    """One comparison."""

    text: str
    names: frozenset[str]  # of the numbers that it compares
    sides: tuple[Term, Term]  # functions of those numbers
    literal: tuple[bool, bool]  # which sides are mere numbers
    sign: str

    def max_parameters(self) -> float:
        """The most parameters that a model may have, infinity where the constraint does not say just that."""
        if re.match(rf"{PARAMETERS}\s*<", self.text) and self.literal[1]:
            return float(self.sides[1]({}))
        return math.inf


@dataclass(frozen=True)
class Constraints:
    """All constraints of a sweep, with the shape of its data."""

    items: Sequence[Constraint] = ()
    features: int = 0  # inputs of the network
    classes: int = 0  # outputs

    def broken(self, params: Mapping[str, Any]) -> str | None:
        """The first constraint that does not hold, with its numbers: `parameters <= 500000: 813,056`, or None."""
        for constraint, left_side, right_side in self._sides(params):
            if not _holds(constraint, left_side, right_side):
                return _reason(constraint, left_side, right_side)
        return None

    def broken_by_all(self, configurations: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """What `broken` says of each configuration, in a hundredth of the time: a grid may have 100,000 cells."""
        reasons: list[str | None] = [None] * len(configurations)
        columns = Columns(configurations, self.features, self.classes)
        for constraint in self.items:
            is_broken, left_sides, right_sides = _compare(constraint, columns)
            for index in numpy.flatnonzero(is_broken):
                reasons[index] = reasons[index] or _reason(constraint, left_sides[index], right_sides[index])
        return reasons

    def violations(self, params: Mapping[str, Any]) -> dict[str, float]:
        """By constraint how far it is from holding, relative to its larger side: above 0 where it does not hold."""
        violations = {constraint.text: 0.0 for constraint in self.items}
        for constraint, left_side, right_side in self._sides(params):
            gap = _relative_gap(left_side, right_side)
            gap = -gap if ">" in constraint.sign else gap if "<" in constraint.sign else -abs(gap)
            violations[constraint.text] = (
                min(gap, 0.0) if _holds(constraint, left_side, right_side) else max(abs(gap), 1e-6)
            )
        return violations

    def max_parameters(self) -> float:
        """The most parameters that a model can have under these."""
        return min((constraint.max_parameters() for constraint in self.items), default=math.inf)

    def _sides(self, params: Mapping[str, Any]) -> Iterator[tuple[Constraint, float, float]]:
        """Each constraint that applies, with both sides. One on a layer that the model lacks does not apply.

        A side that can't be computed, such as 1 / 0, is NaN, with which no comparison holds.
        """
        if not self.items:
            return
        complete_params = with_defaults(params)
        widths: Any = complete_params["hidden_layers"]
        named = dict(zip(LAYER_WIDTHS, widths, strict=False)) if "hidden_layers" not in params else {}
        config = MLPConfig.from_complete_params(complete_params)
        numbers: dict[str, Any] = {
            **{name: value for name, value in complete_params.items() if name not in LAYER_WIDTHS},
            **named,
            PARAMETERS: config.parameter_count(self.features, self.classes),
        }
        numbers = {name: float(value) if type(value) is int else value for name, value in numbers.items()}
        for constraint in self.items:
            if constraint.names <= numbers.keys():
                left_side, right_side = (_computed(side, numbers) for side in constraint.sides)
                yield constraint, left_side, right_side


def _holds(constraint: Constraint, left_side: float, right_side: float) -> bool:
    return not (math.isnan(left_side) or math.isnan(right_side)) and COMPARISONS[constraint.sign](left_side, right_side)


def _compare(constraint: Constraint, columns: Columns) -> tuple[Any, Any, Any]:
    """Which configurations break the constraint, and both sides of it in each of them."""
    numbers = {name: columns.numbers(name) for name in constraint.names}
    with numpy.errstate(all="ignore"):  # what is beyond all floats is infinite, as it is without columns
        sides = [numpy.broadcast_to(side(numbers), len(columns)) for side in constraint.sides]
        holds = COMPARISONS[constraint.sign](*sides) & ~numpy.isnan(sides[0]) & ~numpy.isnan(sides[1])
    applies = columns.have(constraint.names)
    return applies & ~holds, *sides


def _reason(constraint: Constraint, left_side: float, right_side: float) -> str:
    """The constraint with the numbers that break it; those that it says itself are left out."""
    sides = zip((left_side, right_side), constraint.literal, strict=True)
    return f"{constraint.text}: {' and '.join(_text(side) for side, literal in sides if not literal)}"


def _relative_gap(left_side: float, right_side: float) -> float:
    scale = max(abs(left_side), abs(right_side))
    finite = math.isfinite(left_side) and math.isfinite(right_side)
    return (left_side - right_side) / scale if scale and finite else 0.0


def _computed(side: Term, numbers: Numbers) -> float:
    try:
        return float(side(numbers))
    except ArithmeticError:
        return math.nan


def _text(number: float) -> str:
    if math.isnan(number):
        return "can't be computed"
    return f"{number:,.0f}" if float(number).is_integer() and abs(number) < 1e15 else f"{number:,.6g}"

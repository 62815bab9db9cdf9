"""Where a configuration lies at the edge of its search space, and how far that could be widened there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from app.domain.hyperparameters import Hyperparameter, Number, is_number
from app.domain.space.domains import Choice, Domain, Range
from app.domain.space.search_space import Space

NEAR = 0.05
"""The share of a range, on its own scale, that counts as its edge."""
LEAST_CHOICES = 3
"""Of fewer numbers each is an edge."""


@dataclass(frozen=True)
class Edge:
    """A hyperparameter whose best value has no neighbour on one side."""

    name: str
    value: float
    """The best one."""
    is_high: bool
    """Whether it is the upper edge."""
    wider_to: float
    """How far the space could go."""


def edges(space: Space, params: Mapping[str, Any], hyperparameters: Mapping[str, Hyperparameter]) -> list[Edge]:
    """The edges at which these parameters lie, of those that can be widened."""
    at_edge = []
    for name, domain in space.free().items():
        kind = hyperparameters[name].kind
        if not isinstance(kind, Number) or not is_number(params.get(name)):
            continue
        value = params[name]
        is_high = _side(domain, value) if isinstance(domain, Range | Choice) else None
        if is_high is None:
            continue
        wider_to = _beyond(domain, is_high, kind)
        if wider_to is not None:
            at_edge.append(Edge(name, value, is_high, wider_to))
    return at_edge


def can_be_widened(domain: Domain | None) -> TypeGuard[Choice | Range]:
    """Whether these are numbers that vary, and so can go further."""
    return isinstance(domain, Range) or (isinstance(domain, Choice) and all(map(is_number, domain.values)))


def widened(raw: Any, edge: Edge) -> Any:
    """What the sweep's space says of the hyperparameter, with the edge as far as that is to go."""
    if isinstance(raw, list):
        return [*raw, edge.wider_to] if edge.is_high else [edge.wider_to, *raw]
    if "values" in raw:
        return {**raw, "values": widened(raw["values"], edge)}
    return {**raw, "high" if edge.is_high else "low": edge.wider_to}


def _side(domain: Range | Choice, value: float) -> bool | None:
    """Whether the value lies at the upper edge, or at the lower one; None for neither."""
    if isinstance(domain, Choice):
        numbers = [number for number in domain.values if is_number(number)]
        if len(numbers) < max(LEAST_CHOICES, len(domain.values)) or value not in {min(numbers), max(numbers)}:
            return None
        return bool(value == max(numbers))
    if not domain.continuous and domain.size < LEAST_CHOICES:
        return None
    low, high, place = (math.log(number) if domain.log else number for number in (domain.low, domain.last, value))
    share = (place - low) / (high - low)
    if share <= NEAR:
        return False
    return True if share >= 1 - NEAR else None


def _beyond(domain: Range | Choice, is_high: bool, kind: Number) -> float | None:
    """A number beyond the edge that the hyperparameter may have; None where there is none."""
    if isinstance(domain, Choice):
        ordered = sorted(domain.values, reverse=not is_high)
        edge, inner = ordered[-1], ordered[-2]
        exact = edge + (edge - inner) if _is_even(ordered) or not edge * inner > 0 else edge * edge / inner
    elif domain.log:
        edge = domain.last if is_high else domain.low
        exact = edge * (domain.last / domain.low) ** (1 / 3 if is_high else -1 / 3)
    else:
        edge = domain.last if is_high else domain.low
        exact = edge + (1 if is_high else -1) * (domain.last - domain.low) / 2
    number = _fitting(exact, kind)
    if isinstance(domain, Range) and domain.step is not None:
        number = domain.low + round((number - domain.low) / domain.step) * domain.step
        number = int(number) if kind.whole else float(f"{number:.12g}")
    is_further = number > edge if is_high else number < edge
    return number if is_further and kind.problem(number) is None and not _is_nothing(domain, number) else None


def _is_nothing(domain: Range | Choice, number: float) -> bool:
    """Whether a logarithm can't have the number."""
    return isinstance(domain, Range) and domain.log and number <= 0


def _is_even(ordered: list[float]) -> bool:
    """Whether the steps between the choices are equal."""
    steps = [after - before for before, after in pairwise(ordered)]
    return all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def _fitting(exact: float, kind: Number) -> float:
    """The number in two digits, within the bounds of the hyperparameter."""
    digits = float(f"{exact:.2g}")
    within = min(max(digits, kind.low), kind.high)
    return round(within) if kind.whole else within

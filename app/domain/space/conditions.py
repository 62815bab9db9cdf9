"""Conditions: hyperparameters that exist only where others have certain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.configuration import LAYER_WIDTHS
from app.domain.space.domains import Domain, Range, takes, values
from app.domain.space.values import checked, wrong
from app.errors import FieldError, InvalidError

Condition = Mapping[str, tuple[Any, ...]]
"""The values that each conditioning hyperparameter may have; all of them have to."""


def parse_condition(name: str, given: Any, domains: Mapping[str, Domain]) -> Condition:
    """The condition that `when` describes. Raises InvalidError."""
    if not isinstance(given, dict) or not given:
        raise wrong((name, "when"), f"must name hyperparameters with their values, e.g. {{'depth': [2, 3]}}: {given!r}")
    return {parent: _needed(name, parent, needed, domains) for parent, needed in given.items()}


def width_condition(name: str, condition: Condition, domains: Mapping[str, Domain]) -> Condition:
    """The condition of the width of one layer: that the layer exists. Raises InvalidError where it never does."""
    layer, depth = LAYER_WIDTHS.index(name) + 1, domains.get("depth")
    depths: list[Any] = [1] if depth is None else values(depth)
    deep = [value for value in depths if value >= layer and value in condition.get("depth", depths)]
    if not deep:
        most = (
            f"depth is never more than {max(depths)}" if depth else "depth has the book's value 1 where it is left out"
        )
        raise wrong((name,), f"exists only at a depth of {layer} or more, but {most}")
    return condition if deep == depths else {**condition, "depth": tuple(deep)}


def in_order(names: Sequence[str], conditions: Mapping[str, Condition]) -> list[str]:
    """The names, each behind those that it depends on, else as posted. Raises InvalidError for a circle."""
    ordered: list[str] = []
    left = list(names)
    while left:
        ready = next((name for name in left if all(parent in ordered for parent in conditions.get(name, ()))), None)
        if ready is None:
            circle = [name for name in left if name in conditions]
            msg = "depends on itself by its condition and those of others: leave one of the conditions out"
            raise InvalidError(
                "Conditions run in a circle.", [FieldError(("space", name, "when"), msg) for name in circle]
            )
        ordered.append(ready)
        left.remove(ready)
    return ordered


def _needed(name: str, parent: str, needed: Any, domains: Mapping[str, Domain]) -> tuple[Any, ...]:
    path = (name, "when", parent)
    if parent == name:
        raise wrong(path, "can't depend on itself")
    if parent not in domains:
        raise wrong(path, "is not in the space: a condition names hyperparameters that this space has")
    domain = domains[parent]
    if isinstance(domain, Range) and domain.continuous:
        raise wrong(path, "is a continuous range, which never has exactly that value: give it a list or a step")
    several = isinstance(needed, list) and (parent != "hidden_layers" or all(isinstance(one, list) for one in needed))
    listed = needed if several else [needed]
    if not listed:
        raise wrong(path, "lists no value")
    found = tuple(checked(parent, value, "when", parent, name=name) for value in listed)
    for value in found:
        if not takes(domain, value):
            raise wrong(path, f"is never {value!r} in this space")
    return found

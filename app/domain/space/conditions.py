"""The conditions of a space: hyperparameters that exist only where others have certain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.configuration import LAYER_WIDTHS
from app.domain.space.domains import Domain, Range, takes, values
from app.domain.space.values import parse_value, space_error
from app.errors import FieldError, InvalidError

Condition = Mapping[str, tuple[Any, ...]]
"""The values that each conditioning hyperparameter may have; all of them have to."""


def parse_condition(name: str, when: Any, domains: Mapping[str, Domain]) -> Condition:
    """The condition that `when` describes. Raises InvalidError."""
    if not isinstance(when, dict) or not when:
        raise space_error(
            (name, "when"), f"must name hyperparameters with their values, e.g. {{'depth': [2, 3]}}: {when!r}"
        )
    return {parent: _parent_values(name, parent, posted, domains) for parent, posted in when.items()}


def width_condition(name: str, condition: Condition, domains: Mapping[str, Domain]) -> Condition:
    """The condition of the width of one layer: that the layer exists. Raises InvalidError where it never does."""
    layer, depth = LAYER_WIDTHS.index(name) + 1, domains.get("depth")
    depths: list[Any] = [1] if depth is None else values(depth)
    deep_enough = [value for value in depths if value >= layer and value in condition.get("depth", depths)]
    if not deep_enough:
        reason = (
            f"depth is never more than {max(depths)}" if depth else "depth has the book's value 1 where it is left out"
        )
        raise space_error((name,), f"exists only at a depth of {layer} or more, but {reason}")
    return condition if deep_enough == depths else {**condition, "depth": tuple(deep_enough)}


def in_order(names: Sequence[str], conditions: Mapping[str, Condition]) -> list[str]:
    """The names, each behind those that it depends on, else as posted. Raises InvalidError for a circle."""
    ordered_names: list[str] = []
    waiting_names = list(names)
    while waiting_names:
        ready_names = (
            name for name in waiting_names if all(parent in ordered_names for parent in conditions.get(name, ()))
        )
        next_name = next(ready_names, None)
        if next_name is None:
            raise _circle_error([name for name in waiting_names if name in conditions])
        ordered_names.append(next_name)
        waiting_names.remove(next_name)
    return ordered_names


def _circle_error(names: Sequence[str]) -> InvalidError:
    msg = "depends on itself by its condition and those of others: leave one of the conditions out"
    return InvalidError("Conditions run in a circle.", [FieldError(("space", name, "when"), msg) for name in names])


def _parent_values(name: str, parent: str, posted: Any, domains: Mapping[str, Domain]) -> tuple[Any, ...]:
    """The values of `parent` under which `name` exists, posted as one value or a list of them."""
    path = (name, "when", parent)
    if parent == name:
        raise space_error(path, "can't depend on itself")
    if parent not in domains:
        raise space_error(path, "is not in the space: a condition names hyperparameters that this space has")
    domain = domains[parent]
    if isinstance(domain, Range) and domain.continuous:
        raise space_error(path, "is a continuous range, which never has exactly that value: give it a list or a step")
    several = isinstance(posted, list) and (parent != "hidden_layers" or all(isinstance(item, list) for item in posted))
    raw_values = posted if several else [posted]
    if not raw_values:
        raise space_error(path, "lists no value")
    parent_values = tuple(parse_value(parent, value, "when", parent, name=name) for value in raw_values)
    for value in parent_values:
        if not takes(domain, value):
            raise space_error(path, f"is never {value!r} in this space")
    return parent_values

"""Which values and which trials lie within a search space."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain import formatting
from app.domain.hyperparameters import is_number
from app.domain.space.domains import Constant, Domain, Range, takes, values
from app.domain.space.search_space import Space
from app.errors import FieldError, InvalidError


def complete_params(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one trial, the space's constants filled in, in the space's order.

    Raises InvalidError that names each one that is missing, unknown, or outside the space.
    """
    names = ", ".join(space.domains)
    unknown = [name for name in params if name not in space.domains]
    errors = [FieldError(("params", name), f"is not part of this sweep's space; there are {names}") for name in unknown]
    complete: dict[str, Any] = {}
    for name in space.order:
        domain = space.domains[name]
        if problem := _problem(space, name, params, complete):
            errors.append(FieldError(("params", name), problem))
        elif space.is_active(name, complete):
            complete[name] = domain.value if isinstance(domain, Constant) else _in_domain_type(domain, params[name])
    if errors:
        raise InvalidError("The parameters are none of this sweep's space.", errors)
    return space.as_posted(complete)


def contains(domain: Domain, value: Any) -> bool:
    """Whether the value is one of the domain's."""
    if not isinstance(domain, Range):
        return any(_is_same(value, choice) for choice in values(domain))
    try:
        if not is_number(value):
            return False
    except OverflowError:  # a whole number of hundreds of digits, which no float can hold
        return False
    return domain.low <= value <= domain.high if domain.continuous else takes(domain, value)


def _problem(space: Space, name: str, params: Mapping[str, Any], complete: Mapping[str, Any]) -> str | None:
    """Why the value of a hyperparameter, or its lack, can't stand beside those of the ones that it depends on."""
    domain = space.domains[name]
    if not space.is_active(name, complete):
        parents = space.conditions[name].items()
        condition = " and ".join(f"{parent} is {_alternatives(parent_values)}" for parent, parent_values in parents)
        return f"exists only where {condition}; leave it out" if name in params else None
    if name not in params:
        return None if isinstance(domain, Constant) else f"is missing; this sweep tries {formatting.domain(domain)}"
    if not contains(domain, params[name]):
        value = json.dumps(params[name])
        return f"must be one of what this sweep tries, {formatting.domain(domain)}, not {value}: widen its space first"
    return None


def _alternatives(parent_values: tuple[Any, ...]) -> str:
    return " or ".join(map(formatting.setting, parent_values))


def _is_same(value: Any, choice: Any) -> bool:
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def _in_domain_type(domain: Domain, value: Any) -> Any:
    """The value in the domain's own type: 1.0 for 1 in a list of floats, an int in whole ranges."""
    if isinstance(domain, Range):
        return domain.nearest(int(value) if domain.whole else float(value))
    return next(choice for choice in values(domain) if _is_same(value, choice))

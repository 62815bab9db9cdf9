"""What lies within a search space, and which changes only make it wider. Pure: no database, no Optuna."""

import json
import math
from collections.abc import Mapping
from typing import Any

from app.domain.configuration import completed
from app.domain.formatting import domain as words
from app.domain.formatting import setting
from app.domain.hyperparameters import HYPERPARAMETERS
from app.domain.space import Choice, Condition, Constant, Domain, Range, Space
from app.domain.space.domains import takes, values
from app.errors import FieldError, InvalidError


def placed(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one trial, the space's constants filled in, in the space's order.

    Raises InvalidError that names each one that is missing, unknown, or outside the space.
    """
    known = ", ".join(space.domains)
    unknown = [name for name in params if name not in space.domains]
    errors = [FieldError(("params", name), f"is not part of this sweep's space; there are {known}") for name in unknown]
    full: dict[str, Any] = {}
    for name in space.order:
        domain = space.domains[name]
        if problem := _misplaced(space, name, params, full):
            errors.append(FieldError(("params", name), problem))
        elif space.is_active(name, full):
            full[name] = domain.value if isinstance(domain, Constant) else _as_kept(domain, params[name])
    if errors:
        raise InvalidError("The parameters are none of this sweep's space.", errors)
    return space.as_posted(full)


def check_wider(old: Space, new: Space) -> None:
    """Raises InvalidError where the new space lacks something that the old one has.

    A trial that a worker is asking for at this moment still comes from the old space, so it has to hold all of that,
    and not only the trials so far.
    """
    errors = []
    for name, before in old.domains.items():
        after = new.domains.get(name)
        if after is None:
            errors.append(FieldError(("space", name), f"is missing: this sweep has tried {words(before)}"))
        elif not _holds(after, before):
            msg = f"must still hold what was tried so far, {words(before)}; clone the sweep to try something else"
            errors.append(FieldError(("space", name), msg))
        elif _condition(name, old, old) != _condition(name, new, old):
            msg = "must exist in every trial so far just as it did; clone the sweep for other conditions"
            errors.append(FieldError(("space", name, "when"), msg))
    for name, domain in new.domains.items():
        if name not in old.domains and (problem := _unlike_before(name, domain, old)):
            errors.append(FieldError(("space", name), problem))
    if errors:
        raise InvalidError("A search space can only become wider.", errors)


def filled(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's parameters with the book's values of those that the space names and the trial was not asked for."""
    full = dict(params)
    for name in space.order:
        if name not in full and space.is_active(name, full):
            full[name] = completed(params)[name]
    return space.as_posted(full)


def contains(domain: Domain, value: Any) -> bool:
    """Whether the value is one of the domain's."""
    if not isinstance(domain, Range):
        return any(_same(value, one) for one in values(domain))
    if not _is_number(value):
        return False
    return domain.low <= value <= domain.high if domain.continuous else takes(domain, value)


def _misplaced(space: Space, name: str, params: Mapping[str, Any], full: Mapping[str, Any]) -> str | None:
    """Why the value given for a hyperparameter, or none, can't stand beside those of the ones that it depends on."""
    domain = space.domains[name]
    if not space.is_active(name, full):
        needed = " and ".join(f"{parent} is {_either(values)}" for parent, values in space.conditions[name].items())
        return f"exists only where {needed}; leave it out" if name in params else None
    if name not in params:
        return None if isinstance(domain, Constant) else f"is missing; this sweep tries {words(domain)}"
    if not contains(domain, params[name]):
        given = json.dumps(params[name])
        return f"must be one of what this sweep tries, {words(domain)}, not {given}: widen its space first"
    return None


def _either(needed: tuple[Any, ...]) -> str:
    return " or ".join(map(setting, needed))


def _unlike_before(name: str, domain: Domain, old: Space) -> str | None:
    """Why a hyperparameter can't be named now that the old space left to the book."""
    if HYPERPARAMETERS[name].default is None:
        return "can't be named now: the trials so far leave it to other hyperparameters; clone the sweep"
    optimizer = old.domains.get("optimizer")  # the momentum that is left out depends on it
    chosen = [{"optimizer": one} for one in values(optimizer)] if isinstance(optimizer, Choice) else [{}]
    used = [completed({**old.constants(), **params})[name] for params in chosen]
    lacking = [value for value in used if not contains(domain, value)]
    return f"must also hold {setting(lacking[0])}, with which trials so far were trained" if lacking else None


def _condition(name: str, space: Space, old: Space) -> Condition | None:
    """When the hyperparameter exists, as far as trials of the old space can tell; None where it never does."""
    told: dict[str, tuple[Any, ...]] = {}
    for parent, needed in space.conditions.get(name, {}).items():
        before = old.domains.get(parent)
        had = [HYPERPARAMETERS[parent].default] if before is None else values(before)
        met = tuple(value for value in had if value in needed)
        if not met:
            return None
        if len(met) < len(had):
            told[parent] = met
    return told


def _holds(after: Domain, before: Domain) -> bool:
    if isinstance(before, Range) and isinstance(after, Range):
        inside = after.low <= before.low and before.last <= after.high
        fits = not before.continuous and all(takes(after, before.value(index)) for index in range(min(before.size, 2)))
        return inside and (after.continuous or (fits and takes(after, before.last)))
    if isinstance(before, Range) and before.continuous:
        return False
    return all(contains(after, value) for value in values(before))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _as_kept(domain: Domain, value: Any) -> Any:
    """The value in the domain's own type: 1.0 for 1 in a list of floats, an int in whole ranges."""
    if isinstance(domain, Range):
        return int(value) if domain.whole else float(value)
    return next(one for one in values(domain) if _same(value, one))

"""What lies within a search space, and which changes only make it wider. Pure: no database, no Optuna."""

import json
import math
from collections.abc import Mapping
from typing import Any

from app.errors import FieldError, InvalidError
from app.hyperparameters import completed
from app.readable import domain as words
from app.readable import setting
from app.space import Choice, Constant, Domain, Range, Space


def contains(domain: Domain, value: Any) -> bool:
    """Whether the value is one of the domain's."""
    if isinstance(domain, Range):
        return _is_number(value) and domain.low <= value <= domain.last and _on_step(domain, value)
    values = domain.values if isinstance(domain, Choice) else (domain.value,)
    return any(_same(value, one) for one in values)


def placed(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one trial, the space's constants filled in, in the space's order.

    Raises InvalidError that names each one that is missing, unknown, or outside the space.
    """
    errors = [
        FieldError(("params", name), f"is not part of this sweep's space; there are {', '.join(space.domains)}")
        for name in params
        if name not in space.domains
    ]
    full = {**space.constants(), **params}
    for name, domain in space.domains.items():
        if name not in full:
            errors.append(FieldError(("params", name), f"is missing; this sweep tries {words(domain)}"))
        elif not contains(domain, full[name]):
            msg = (
                f"must be one of what this sweep tries, {words(domain)}, not {json.dumps(full[name])}: widen its space"
            )
            errors.append(FieldError(("params", name), msg))
    if errors:
        raise InvalidError("The parameters are none of this sweep's space.", errors)
    return {name: _as_kept(domain, full[name]) for name, domain in space.domains.items()}


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
    for name, domain in new.domains.items():
        lacking = [] if name in old.domains else [one for one in book_values(name, old) if not contains(domain, one)]
        if lacking:
            msg = f"must also hold {setting(lacking[0])}, which trials so far were trained with"
            errors.append(FieldError(("space", name), msg))
    if errors:
        raise InvalidError("A search space can only become wider.", errors)


def book_values(name: str, space: Space) -> list[Any]:
    """What trials of a space that does not name this hyperparameter were trained with."""
    optimizer = space.domains.get("optimizer")  # the momentum that is left out depends on it
    names = optimizer.values if isinstance(optimizer, Choice) else [None]
    chosen = [{} if one is None else {"optimizer": one} for one in names]
    return [completed({**space.constants(), **params})[name] for params in chosen]


def cell_key(space: Space, params: Mapping[str, Any]) -> str:
    """Equal for equal cells of a grid; what a trial's parameters leave out has the book's value."""
    full = completed(dict(params))
    return json.dumps([_plain(full[name]) for name in space.domains])


def _holds(after: Domain, before: Domain) -> bool:
    if isinstance(before, Constant):
        return contains(after, before.value)
    if isinstance(before, Choice):
        return all(contains(after, value) for value in before.values)
    if isinstance(after, Range):
        inside = after.low <= before.low and before.last <= after.last
        return inside and (_is_continuous(after) or (not _is_continuous(before) and _steps_fit(after, before)))
    return not _is_continuous(before) and all(contains(after, before.value(index)) for index in range(before.size))


def _steps_fit(after: Range, before: Range) -> bool:
    return _on_step(after, before.low) and (before.size == 1 or _on_step(after, before.value(1)))


def _is_continuous(domain: Range) -> bool:
    return not domain.whole and domain.step is None


def _on_step(domain: Range, value: float) -> bool:
    if _is_continuous(domain):
        return True
    index = (value - domain.low) / (domain.step or 1)
    return math.isclose(index, round(index), abs_tol=1e-9)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _as_kept(domain: Domain, value: Any) -> Any:
    """The value in the domain's own type: 1.0 for 1 in a list of floats, an int in whole ranges."""
    if isinstance(domain, Range):
        return int(value) if domain.whole else float(value)
    values = domain.values if isinstance(domain, Choice) else (domain.value,)
    return next(one for one in values if _same(value, one))


def _plain(value: Any) -> Any:
    return float(value) if _is_number(value) else value

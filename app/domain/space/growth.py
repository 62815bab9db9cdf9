"""Which changes only make a search space wider, and what the trials so far are in the wider one."""

from collections.abc import Mapping
from typing import Any

from app.domain.formatting import domain as domain_text
from app.domain.formatting import setting
from app.domain.space.conditions import Condition
from app.domain.space.domains import Choice, Domain, Range, takes, values
from app.domain.space.membership import contains
from app.domain.space.search_space import Space
from app.domain.tasks import EVERY_HYPERPARAMETER
from app.errors import FieldError, InvalidError


def check_wider(old: Space, new: Space) -> None:
    """Raises InvalidError where the new space lacks something that the old one has.

    A trial that a worker is asking for at this moment still comes from the old space, so it has to hold all of that,
    and not only the trials so far.
    """
    errors = []
    for name, before in old.domains.items():
        after = new.domains.get(name)
        if after is None:
            errors.append(FieldError(("space", name), f"is missing: this sweep has tried {domain_text(before)}"))
        elif not _covers(after, before):
            msg = f"must still hold what was tried so far, {domain_text(before)}; clone the sweep to try something else"
            errors.append(FieldError(("space", name), msg))
        elif _condition_within(name, old, old) != _condition_within(name, new, old):
            msg = "must exist in every trial so far just as it did; clone the sweep for other conditions"
            errors.append(FieldError(("space", name, "when"), msg))
    for name, domain in new.domains.items():
        if name not in old.domains and (problem := _problem_of_new_name(name, domain, old)):
            errors.append(FieldError(("space", name), problem))
    if errors:
        raise InvalidError("A search space can only become wider.", errors)


def fill_with_defaults(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's parameters with the book's values of those that the space names and the trial was not asked for."""
    complete = dict(params)
    for name in space.order:
        if name not in complete and space.is_active(name, complete):
            complete[name] = space.complete(params)[name]
    return space.as_posted(complete)


def _problem_of_new_name(name: str, domain: Domain, old: Space) -> str | None:
    """Why a hyperparameter can't be named now that the old space left to the book."""
    if EVERY_HYPERPARAMETER[name].default is None:
        return "can't be named now: the trials so far leave it to other hyperparameters; clone the sweep"
    optimizer = old.domains.get("optimizer")  # the momentum that is left out depends on it
    choices = [{"optimizer": choice} for choice in values(optimizer)] if isinstance(optimizer, Choice) else [{}]
    trained_values = [old.complete({**old.constants(), **params})[name] for params in choices]
    lacking_values = [value for value in trained_values if not contains(domain, value)]
    if not lacking_values:
        return None
    return f"must also hold {setting(lacking_values[0])}, with which trials so far were trained"


def _condition_within(name: str, space: Space, old: Space) -> Condition | None:
    """When the hyperparameter exists, as far as trials of the old space can tell, or None where it never does."""
    condition: dict[str, tuple[Any, ...]] = {}
    for parent, parent_values in space.conditions.get(name, {}).items():
        before = old.domains.get(parent)
        old_values = [EVERY_HYPERPARAMETER[parent].default] if before is None else values(before)
        active_values = tuple(value for value in old_values if value in parent_values)
        if not active_values:
            return None
        if len(active_values) < len(old_values):
            condition[parent] = active_values
    return condition


def _covers(after: Domain, before: Domain) -> bool:
    """Whether one domain has all values of another."""
    if isinstance(before, Range) and isinstance(after, Range):
        inside = after.low <= before.low and before.last <= after.high
        fits = not before.continuous and all(takes(after, before.value(index)) for index in range(min(before.size, 2)))
        return inside and (after.continuous or (fits and takes(after, before.last)))
    if isinstance(before, Range) and before.continuous:
        return False
    return all(contains(after, value) for value in values(before))

"""The search space as a sweep's page shows it: what is tried, under which conditions, and what stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.formatting import domain, setting
from app.domain.space import Space
from app.domain.tasks import Task
from app.web.pages.new_sweep.form import ADJUSTABLE

# They say more about another hyperparameter, which is off or of another kind in the book.
_DETAILS = {"hidden_layers", "init_std", "init_range", "init_gain", "init_slope", "lr_step_epochs", "lr_gamma"}


@dataclass(frozen=True)
class SpaceRow:
    """A hyperparameter of the search space."""

    name: str
    values: str
    conditions: Sequence[str]
    """Where it has a value: `where depth is 2 or 3`, `and optimizer is sgd`."""
    meaning: str


def space_rows(space: Space, task: Task) -> list[SpaceRow]:
    """The hyperparameters that a sweep names."""
    return [
        SpaceRow(name, domain(values), _conditions(space, name), task.hyperparameters[name].meaning)
        for name, values in space.domains.items()
    ]


def book_settings(space: Space, task: Task) -> Mapping[str, object]:
    """The hyperparameters that do something and that a sweep does not name; 0 or false is off."""
    unused = {*_DETAILS, *space.domains}
    if "hidden_layers" in space.domains:
        unused |= {"hidden_units", "depth"}
    parameters = task.hyperparameters if task.is_timing else ADJUSTABLE
    return {
        name: parameter.default for name, parameter in parameters.items() if name not in unused and parameter.default
    }


def _conditions(space: Space, name: str) -> list[str]:
    conditions = space.conditions.get(name, {}).items()
    words = ("where", *["and"] * len(conditions))
    return [
        f"{word} {parent} is {' or '.join(map(setting, values))}"
        for word, (parent, values) in zip(words, conditions, strict=False)
    ]

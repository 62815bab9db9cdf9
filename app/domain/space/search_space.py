"""The search space: a domain for each hyperparameter, its conditions, and the cells of its grid."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from app.domain.space.conditions import Condition, in_order
from app.domain.space.domains import Choice, Constant, Domain, Range, largest, size, values
from app.domain.sweep_limits import MAX_GRID_CELLS
from app.domain.tasks import TASKS
from app.errors import FieldError, InvalidError


@dataclass(frozen=True)
class Space:
    """One domain a hyperparameter, in the order in which they were posted.

    A hyperparameter with a condition is active, and has a value, where those that the condition names are active and
    have one of the values that it lists.
    """

    domains: Mapping[str, Domain]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    task: str = "train_mlp"

    def complete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with the defaults of their task for those that they leave out."""
        return TASKS[self.task].complete(params)

    def free(self) -> dict[str, Choice | Range]:
        """The hyperparameters that vary."""
        return {name: domain for name, domain in self.domains.items() if not isinstance(domain, Constant)}

    def constants(self) -> dict[str, Any]:
        """Those that always have the same value."""
        return {
            name: domain.value
            for name, domain in self.domains.items()
            if isinstance(domain, Constant) and name not in self.conditions
        }

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names, each behind those that its condition names."""
        return tuple(in_order(list(self.domains), self.conditions))

    def is_active(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether the hyperparameter has a value beside these of the ones before it in `order`."""
        condition = self.conditions.get(name, {})
        return all(parent in params and params[parent] in parent_values for parent, parent_values in condition.items())

    def as_posted(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in the order of the space."""
        return {name: params[name] for name in self.domains if name in params}

    def grid_size(self) -> int:
        """Number of cells. Raises InvalidError where a range is continuous, or the cells are too many."""
        continuous = [
            FieldError(("space", name), "a grid needs a list, whole numbers, or a step; random and tpe take any range")
            for name, domain in self.domains.items()
            if isinstance(domain, Range) and domain.continuous
        ]
        if continuous:
            raise InvalidError("A grid can't cover a continuous range.", continuous)
        conditioning = {parent for condition in self.conditions.values() for parent in condition}
        cells = 0
        for cell in self._cells([name for name in self.order if name in conditioning]):
            rest = (name for name in self.domains if name not in conditioning and self.is_active(name, cell))
            cells += math.prod(size(self.domains[name]) for name in rest)
        if cells > MAX_GRID_CELLS:
            raise _too_many(f"{cells:,}")
        return cells

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every cell once, the last hyperparameter varying fastest. A cell holds the active hyperparameters alone."""
        return (self.as_posted(cell) for cell in self._cells(self.order))

    def largest(self) -> dict[str, Any]:
        """The largest value of every hyperparameter, active or not."""
        return {name: largest(domain) for name, domain in self.domains.items()}

    def _cells(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Every combination of values of these hyperparameters, the last one varying fastest."""
        cells: list[dict[str, Any]] = [{}]
        for name in names:
            domain = self.domains[name]
            active = [self.is_active(name, cell) for cell in cells]
            if sum(size(domain) if is_active else 1 for is_active in active) > MAX_GRID_CELLS:
                raise _too_many(f"more than {MAX_GRID_CELLS:,}")
            domain_values = values(domain)
            cells = [
                next_cell
                for cell, is_active in zip(cells, active, strict=True)
                for next_cell in ([{**cell, name: value} for value in domain_values] if is_active else [cell])
            ]
        return cells


def _too_many(cells: str) -> InvalidError:
    too_many = f"has {cells} cells; a grid may have at most {MAX_GRID_CELLS:,}: use fewer values or a sampler"
    return InvalidError("The grid is too large.", [FieldError(("space",), too_many)])

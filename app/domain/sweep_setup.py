"""The setup of a sweep: what of it decides how its trials are searched, trained and judged, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.datasets import DatasetInfo
from app.domain.devices.products import EXACT, Products
from app.domain.objectives import Objective


@dataclass(frozen=True)
class SweepSetup:
    """A sweep as its workers know it, in the words of its columns."""

    id: int
    task: str
    dataset_info: DatasetInfo
    split: str
    space: dict[str, Any]
    constraints: Sequence[Any]
    sampler: Mapping[str, Any]
    repeats: str
    seeds: int
    seed: int
    metric: str
    direction: str
    objectives: Sequence[Mapping[str, Any]]
    """Further ones beside metric and direction."""
    pruner: Mapping[str, Any] | None
    diagnostics: bool
    products: Products = EXACT

    @property
    def first_objective(self) -> Objective:
        """The objective by which the best trial is chosen."""
        return Objective(self.metric, self.direction == "maximize")

    @property
    def all_objectives(self) -> tuple[Objective, ...]:
        """The first objective and the further ones."""
        return (self.first_objective, *map(Objective.of, self.objectives))

"""Chooses configurations for trials: feasible ones, and new ones where repeats are forbidden."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.db.tables import Sweep
from app.db.trial_rows import configuration, constraints_of
from app.domain.space import parse_space
from app.errors import InvalidError
from app.search.samplers import AskSeed, Observation
from app.search.search import Search

MOST_INFEASIBLE = 200  # in a row: a space with a share of 3 % that is feasible comes to that once in 400 draws
MOST_REPEATS = 20  # of a configuration that may not be tried again, before the rest of the space is listed


@dataclass(frozen=True)
class Infeasible:
    """A configuration that is not trained, and why."""

    params: dict[str, Any]
    reason: str


class ExhaustedError(Exception):
    """The space holds nothing more to try; says why."""


class Proposer:
    """A sweep's sampler at this moment: what it gives is feasible, and new where repeats are forbidden."""

    def __init__(self, sweep: Sweep, tried: Sequence[Observation]) -> None:
        self._sweep, self._space, self._constraints = sweep, parse_space(sweep.space), constraints_of(sweep)
        maximize = [one == "maximize" for one in (sweep.direction, *(more["direction"] for more in sweep.objectives))]
        self._search = Search(self._space, sweep.sampler, tried, maximize=maximize, constraints=self._constraints)
        self._forbidden = (
            {configuration(one.params): one.number for one in reversed(tried) if one.state != "infeasible"}
            if sweep.repeats == "forbid"
            else {}
        )
        self._in_a_row = 0
        self.infeasible: list[Infeasible] = []

    def choose(self, number: int) -> dict[str, Any]:
        """A configuration for the trial of this number. Raises ExhaustedError where the space holds none."""
        refused = repeats = 0
        while True:
            params = self._search.ask(AskSeed(self._sweep.seed, number, refused))
            reason = self._constraints.broken(params)
            same = self._forbidden.get(configuration(params)) if self._forbidden else None
            if reason is None and same is None:
                return self._chosen(number, params)
            self._search.refuse(params)
            refused += 1
            if same is not None:
                repeats += 1
                if repeats % MOST_REPEATS:
                    continue
                if (left := self._left_over(number)) is not None:
                    self._search.learn(Observation(number, "running", left))
                    return self._chosen(number, left)
            self._refuse(params, reason or same_as(same or 0))

    def _chosen(self, number: int, params: dict[str, Any]) -> dict[str, Any]:
        self._in_a_row = 0
        if self._sweep.repeats == "forbid":
            self._forbidden[configuration(params)] = number
        return params

    def _refuse(self, params: dict[str, Any], reason: str) -> None:
        self.infeasible.append(Infeasible(params, reason))
        self._in_a_row += 1
        if self._in_a_row >= MOST_INFEASIBLE:
            raise ExhaustedError(
                f"{MOST_INFEASIBLE} configurations in a row were infeasible, the last one because of {reason}: "
                "widen the space or loosen the constraints"
            )

    def _left_over(self, number: int) -> dict[str, Any] | None:
        """One of the configurations that were not tried yet; None where they can't be listed."""
        try:
            self._space.grid_size()
        except InvalidError:
            return None
        new = [
            cell
            for cell in self._space.grid()
            if configuration(cell) not in self._forbidden and self._constraints.broken(cell) is None
        ]
        if not new:
            raise ExhaustedError("every configuration of the space has been tried")
        return new[AskSeed(self._sweep.seed, number).seed % len(new)]


def same_as(number: int) -> str:
    """The reason of a trial that was not trained because an earlier one was."""
    return f"same configuration as trial {number}"

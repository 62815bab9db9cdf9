"""Proposes configurations for trials: feasible ones, and new ones where the sweep forbids repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.db.trial_rows import configuration, constraints_of
from app.domain.space import parse_space
from app.domain.sweep_setup import SweepSetup
from app.errors import InvalidError
from app.search.history import Observation
from app.search.repeats import same_configuration_as
from app.search.samplers import AskSeed
from app.search.search import Search

MAX_INFEASIBLE = 200  # in a row: a space with a share of 3 % that is feasible comes to that once in 400 trials
MAX_REPEATS = 20  # of configurations that may not be tried again, before the rest of the space is listed


@dataclass(frozen=True)
class Infeasible:
    """A configuration that is not trained, and why."""

    params: dict[str, Any]
    reason: str


class ExhaustedError(Exception):
    """The space holds nothing more to try; says why."""


class Proposer:
    """A sweep's search as of these observations; `infeasible` collects what it came by and did not propose."""

    def __init__(self, sweep: SweepSetup, observations: Sequence[Observation]) -> None:
        self._sweep, self._space, self._constraints = sweep, parse_space(sweep.space, sweep.task), constraints_of(sweep)
        self._search = Search(
            self._space,
            sweep.sampler,
            observations,
            objectives=sweep.all_objectives,
            constraints=self._constraints,
        )
        # number of the first trial by configuration
        self._forbidden: dict[str, int] = {}
        if sweep.repeats == "forbid":
            tried_trials = [trial for trial in reversed(observations) if trial.state != "infeasible"]
            self._forbidden = {configuration(trial.params): trial.number for trial in tried_trials}
        self._infeasible_in_a_row = 0
        self.infeasible: list[Infeasible] = []

    def propose(self, number: int) -> dict[str, Any]:
        """A configuration for the trial of this number. Raises ExhaustedError where the space holds none."""
        refused = repeats = 0
        while True:
            params = self._search.ask(AskSeed(self._sweep.seed, number, refused))
            reason = self._why_refused(params)
            if reason is None:
                return self._accept(number, params)
            self._search.refuse_last(params)
            refused += 1
            if self._is_repeat(params):
                repeats += 1
                if repeats < MAX_REPEATS:
                    continue
                repeats = 0
                if (cell := self._untried_cell(number)) is not None:
                    return self._accept(number, cell)
            self._note_infeasible(params, reason)

    def _why_refused(self, params: dict[str, Any]) -> str | None:
        """The constraint that it breaks, or the earlier trial that it must not repeat; None for a good one."""
        reason = self._constraints.broken(params)
        if reason is None and self._is_repeat(params):
            return same_configuration_as(self._forbidden[configuration(params)])
        return reason

    def _is_repeat(self, params: dict[str, Any]) -> bool:
        return bool(self._forbidden) and configuration(params) in self._forbidden

    def _accept(self, number: int, params: dict[str, Any]) -> dict[str, Any]:
        self._infeasible_in_a_row = 0
        if self._sweep.repeats == "forbid":
            self._forbidden[configuration(params)] = number
        return params

    def _note_infeasible(self, params: dict[str, Any], reason: str) -> None:
        self.infeasible.append(Infeasible(params, reason))
        self._infeasible_in_a_row += 1
        if self._infeasible_in_a_row >= MAX_INFEASIBLE:
            raise ExhaustedError(
                f"{MAX_INFEASIBLE} configurations in a row were infeasible, the last one because of {reason}. "
                "Widen the space or loosen the constraints"
            )

    def _untried_cell(self, number: int) -> dict[str, Any] | None:
        """A configuration that was not tried yet, from the list of all; None where they can't be listed.

        The search takes it for running. Raises ExhaustedError where every one was tried.
        """
        try:
            self._space.grid_size()
        except InvalidError:
            return None
        cells = list(self._space.grid())
        untried_cells = [
            cell
            for cell, reason in zip(cells, self._constraints.broken_by_all(cells), strict=True)
            if reason is None and configuration(cell) not in self._forbidden
        ]
        if not untried_cells:
            raise ExhaustedError("every configuration of the space has been tried")
        cell = untried_cells[AskSeed(self._sweep.seed, number).seed % len(untried_cells)]
        self._search.tell(Observation(number, "running", cell))
        return cell

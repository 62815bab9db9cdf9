"""Chooses the parameters of claimed trials through Optuna, and says which of them are to be trained."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from app import draws
from app.db import transaction
from app.draws import Draw, Infeasible
from app.errors import InvalidError
from app.models import Sweep
from app.samplers import Tried, Turn
from app.space import parse_space
from app.study import Search
from app.trial_queue import ClaimedTrial
from app.trial_rows import configuration, constraints_of

logger = logging.getLogger(__name__)

MOST_INFEASIBLE = 200  # in a row: a space with a share of 3 % that is feasible comes to that once in 400 draws
MOST_REPEATS = 20  # of a configuration that may not be tried again, before the rest of the space is listed


class ExhaustedError(Exception):
    """The space holds nothing more to try; says why."""


class Asker:
    """A sweep's sampler at this moment: what it gives is feasible, and new where repeats are forbidden."""

    def __init__(self, sweep: Sweep, tried: Sequence[Tried]) -> None:
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
            params = self._search.ask(Turn(self._sweep.seed, number, refused))
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
                    self._search.learn(Tried(number, "running", left))
                    return self._chosen(number, left)
            self._refuse(params, reason or draws.same_as(same or 0))

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
        return new[Turn(self._sweep.seed, number).seed % len(new)]


def fill_in(engine: Engine, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
    """Those of the trials that are to be trained, with parameters and first seeds.

    Trials that had parameters (a grid's cell, one's own, asked for ahead, a second attempt) keep them. The others have
    ended by an earlier result, wait for one, or are cancelled because the space holds nothing more to try.
    No transaction is open while the sampler thinks, which may take longer than the database lets one be idle.
    """
    kept: list[ClaimedTrial] = []
    left = list(trials)
    while left:
        asker = None
        if any(trial.params is None for trial in left):
            with transaction(engine) as session:
                known = draws.known_rows(session, sweep.id)
            asker = Asker(sweep, known)
        chosen, exhausted = _choose(asker, left)
        with transaction(engine) as session:
            wanted = [Draw(one.lease.trial_id, one.lease.token, one.params or {}) for one in chosen]
            written = draws.write(session, sweep.id, wanted, asker.infeasible if asker else ())
            if exhausted:
                asked = {one.lease for one in chosen}
                rest = [(one.lease.trial_id, one.lease.token) for one in left if one.lease not in asked]
                draws.end_search(session, sweep.id, rest, exhausted)
        first_seeds = written.first_seeds
        kept += [
            replace(one, first_seed=first_seeds[one.lease.trial_id])
            for one in chosen
            if one.lease.trial_id in first_seeds
        ]
        left = [one for one in left if one.lease.trial_id in written.refused]
    return kept


def _choose(asker: Asker | None, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], str | None]:
    """The trials with parameters, those that had some first; and why there are fewer than were asked for."""
    given = [trial for trial in trials if trial.params is not None]
    chosen = [trial for trial in trials if trial.params is None]
    started = time.monotonic()
    for index, trial in enumerate(chosen):
        assert asker is not None
        try:
            chosen[index] = replace(trial, params=asker.choose(trial.number))
        except ExhaustedError as error:
            return given + chosen[:index], str(error)
    if chosen:
        logger.info("asked for %d trials in %.3f s", len(chosen), time.monotonic() - started)
    return given + chosen, None

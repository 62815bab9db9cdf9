"""Asks a sweep's pruner about the trials of one cohort, with the curves of all other trials beside theirs."""

import logging
import math
import time
from collections.abc import Iterable, Sequence

from sqlalchemy.exc import DBAPIError

from app import curve_rows, pruners
from app.curves import Board
from app.db import first_line, transaction
from app.hyperparameters import completed
from app.models import Sweep, TrialState
from app.schemas.pruners import PrunerOptions
from app.space import parse_space
from app.trial_queue import ClaimedTrial, TrialResult
from worker.context import Context, is_gone
from worker.run import EpochResult

logger = logging.getLogger(__name__)

READ_SECONDS = 0.5  # as often as other workers write
READ_SHARE = 0.02  # of the time; where reading takes long it is done more seldom


class Pruning:
    """The pruner of one cohort.

    Curves of its own trials come from the training, those of all others, whoever trains or trained them, from the
    tables, each point once. So what it decides is a function of the rows, and a worker that starts again knows them.
    """

    def __init__(self, context: Context, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        self._context, self._sweep = context, sweep
        self._pruner = None if sweep.pruner is None else pruners.stored_pruner(sweep.pruner)
        self._numbers = {trial.lease.trial_id: trial.number for trial in trials}
        # further seeds of a configuration that has run are there to know its mean better
        self._spared = {trial.lease.trial_id for trial in trials if trial.first_seed > 0}
        longest = int(str(completed(parse_space(sweep.space).largest())["epochs"]))
        self._board = Board(sweep.direction == "maximize", sweep.seeds, longest, sweep.seed)
        self._known = set(self._numbers)  # ids of which the tables say nothing new
        self._others: dict[int, curve_rows.Standing] = {}
        self._read_at = -math.inf
        self._epoch = 0
        self.seconds = 0.0  # spent here, so that it can be told

    def ask(self, results: Iterable[EpochResult], asked: Sequence[int]) -> dict[int, str]:
        """Why trials are to be pruned now, by id, of those `asked` about, which have more epochs to come.

        `results` are those of one epoch of all runs of the cohort, whose keys are (trial id, seed).
        """
        if self._pruner is None:
            return {}
        start = time.monotonic()
        self._note(results)
        found = self._reasons(self._pruner, asked) if asked else {}
        self.seconds += time.monotonic() - start
        return found

    def finished(self, result: TrialResult) -> None:
        """Takes how a trial of the cohort ended."""
        if result.value is not None and result.pruned is None:
            self._board.complete[self._numbers[result.lease.trial_id]] = result.value

    def _note(self, results: Iterable[EpochResult]) -> None:
        figures: dict[int, dict[int, float | None]] = {}
        for result in results:
            assert isinstance(result.key, tuple)
            trial_id, seed = result.key
            figure = float(getattr(result, self._sweep.metric))
            figures.setdefault(trial_id, {})[seed] = None if result.diverged else figure
            self._epoch = result.epoch
        for trial_id, by_seed in figures.items():
            self._board.add(self._numbers[trial_id], self._epoch, by_seed)

    def _reasons(self, pruner: PrunerOptions, asked: Sequence[int]) -> dict[int, str]:
        if pruners.needs_others(pruner):
            self._read()
        ids = {self._numbers[trial_id]: trial_id for trial_id in asked if trial_id not in self._spared}
        found = pruners.reasons(pruner, self._board, self._epoch, list(ids))
        return {ids[number]: words for number, words in found.items()}

    def _read(self) -> None:
        """Learns of the other trials what is new; without the database it goes on with what it knows."""
        start = time.monotonic()
        if start < self._read_at:
            return
        try:
            self._read_rows()
        except DBAPIError as error:
            if not is_gone(error):
                raise
            logger.warning("no other trial's curve, the database is gone: %s", first_line(error))
        took = time.monotonic() - start
        self._read_at = start + max(READ_SECONDS, took / READ_SHARE)

    def _read_rows(self) -> None:
        with transaction(self._context.engine) as session:
            found = {one.trial_id: one for one in curve_rows.standings(session, self._sweep, sorted(self._known))}
            for trial_id, before in self._others.items():
                now = found.get(trial_id)
                if now is None or now.attempt != before.attempt:  # given back, or it begins anew
                    self._board.forget(before.number)
            epochs = {one.trial_id: self._last_epoch(one.number) for one in found.values()}
            for point in curve_rows.points_after(session, self._sweep, epochs):
                self._board.add(found[point.trial_id].number, point.epoch, point.figures)
        for one in found.values():
            if one.state == TrialState.complete and one.value is not None:
                self._board.complete[one.number] = one.value
        self._others = {trial_id: one for trial_id, one in found.items() if one.state == TrialState.running}
        self._known |= set(found) - set(self._others)

    def _last_epoch(self, number: int) -> int:
        curve = self._board.curves.get(number)
        return 0 if curve is None else curve.last_epoch

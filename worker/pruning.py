"""Asks a sweep's pruner about the trials of one cohort, with the curves of all other trials beside theirs."""

import time
from collections.abc import Iterable, Sequence

from app import pruners
from app.models import Sweep
from app.schemas.pruners import PrunerOptions
from app.trial_queue import ClaimedTrial, TrialResult
from worker.context import Context
from worker.known_curves import KnownCurves
from worker.run import EpochResult


class Pruning:
    """The pruner of one cohort.

    Curves of its own trials come from the training, those of all others from the tables. So what it decides is a
    function of the rows: several workers agree, and one that starts again knows what was known before.
    """

    def __init__(self, context: Context, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        self._sweep = sweep
        self._pruner = None if sweep.pruner is None else pruners.stored_pruner(sweep.pruner)
        self._numbers = {trial.lease.trial_id: trial.number for trial in trials}
        # further seeds of a configuration that has run are there to know its mean better
        self._spared = {trial.lease.trial_id for trial in trials if trial.first_seed > 0}
        self._epoch = 0
        self.seconds = 0.0  # spent here, so that it can be told
        if self._pruner is not None:
            self._curves = _kept(context, sweep, self._pruner)
            self._curves.begin(sweep, list(self._numbers.values()))

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
        if self._pruner is not None and result.value is not None and result.pruned is None:
            self._curves.board.complete[self._numbers[result.lease.trial_id]] = result.value

    def _note(self, results: Iterable[EpochResult]) -> None:
        figures: dict[int, dict[int, list[float | None]]] = {}
        for result in results:
            assert isinstance(result.key, tuple)
            trial_id, seed = result.key
            figure = float(getattr(result, self._sweep.metric))
            figures.setdefault(trial_id, {})[seed] = [None if result.diverged else figure]
            self._epoch = result.epoch
        for trial_id, by_seed in figures.items():
            self._curves.board.add(self._numbers[trial_id], by_seed)

    def _reasons(self, pruner: PrunerOptions, asked: Sequence[int]) -> dict[int, str]:
        if pruners.needs_others(pruner):
            self._curves.read(self._numbers)
        ids = {self._numbers[trial_id]: trial_id for trial_id in asked if trial_id not in self._spared}
        found = pruners.reasons(pruner, self._curves.board, self._epoch, list(ids))
        return {ids[number]: words for number, words in found.items()}


def _kept(context: Context, sweep: Sweep, pruner: PrunerOptions) -> KnownCurves:
    """Those of the last cohort, if it was of this sweep."""
    if sweep.id not in context.curves:
        context.curves.clear()
        context.curves[sweep.id] = KnownCurves(context.engine, sweep, keep_runs=pruners.compares_runs(pruner))
    return context.curves[sweep.id]

"""Asks a sweep's pruner about the trials of one cohort, with the curves of all other trials beside theirs."""

import time
from collections.abc import Iterable, Sequence

from app.db.tables import Sweep
from app.domain.pruning import rules
from app.domain.pruning.options import PrunerOptions
from app.domain.runs import EpochResult
from app.queue.claims import ClaimedTrial
from app.queue.progress import TrialResult
from app.search.curve_cache import CurveCache


class Pruning:
    """The pruner of one cohort.

    Curves of its own trials come from the training, those of all others from the tables. So what it decides is a
    function of the rows: several workers agree, and one that starts again knows what was known before.
    """

    def __init__(self, curves: CurveCache, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        self._sweep = sweep
        self._pruner = None if sweep.pruner is None else rules.stored_pruner(sweep.pruner)
        self._numbers = {trial.lease.trial_id: trial.number for trial in trials}
        # further seeds of a configuration that has run are there to know its mean better
        self._spared = {trial.lease.trial_id for trial in trials if trial.first_seed > 0}
        self._epoch = 0
        self.seconds = 0.0  # spent here, so that it can be told
        if self._pruner is not None:
            self._curves = curves.of(sweep, keep_runs=rules.compares_runs(self._pruner))
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
        if rules.needs_others(pruner):
            self._curves.read(self._numbers)
        ids = {self._numbers[trial_id]: trial_id for trial_id in asked if trial_id not in self._spared}
        found = rules.reasons(pruner, self._curves.board, self._epoch, list(ids))
        return {ids[number]: words for number, words in found.items()}

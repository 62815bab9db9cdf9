"""The pruner of one cohort: judges its trials after each epoch, beside the curves of all other trials."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence

from app.domain.pruning import rules
from app.domain.pruning.options import PrunerOptions, stored_pruner
from app.domain.pruning.rungs import waits_at_rungs
from app.domain.pruning.verdicts import Verdict
from app.domain.runs import EpochResult
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.queue.progress import TrialResult
from app.search.curve_cache import CurveCache


class CohortPruner:
    """The sweep's pruner for the trials of one cohort; without one, or where trials wait at rungs, none is stopped.

    Curves of its own trials come from the training, those of all others from the tables. So what it decides is a
    function of the rows: several workers agree, and a worker that starts again knows what was known before.
    """

    def __init__(self, curves: CurveCache, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> None:
        self._objective = sweep.first_objective
        pruner = None if sweep.pruner is None else stored_pruner(sweep.pruner)
        self._pruner = None if waits_at_rungs(pruner) else pruner
        # the others are no rivals either: their configuration has a curve already
        judged_trials = [trial for trial in trials if trial.is_judged]
        self._numbers = {trial.lease.trial_id: trial.number for trial in judged_trials}
        self._epoch = trials[0].epochs_trained
        self.seconds = 0.0  # spent in `prune`, for the log
        if self._pruner is not None:
            self._curves = curves.curves_of(sweep, keep_runs=rules.compares_runs(self._pruner))
            self._curves.start_cohort(sweep, judged_trials)

    def prune(self, results: Iterable[EpochResult], candidate_ids: Sequence[int]) -> dict[int, Verdict]:
        """The verdicts on the trials that are to be stopped now, by trial id.

        `results` are those of one epoch of all runs of the cohort, whose keys are (trial id, seed). `candidate_ids` are
        the trials that have more epochs to come.
        """
        if self._pruner is None:
            return {}
        start = time.monotonic()
        own_numbers = self._add_results(results)
        verdicts = self._judge(self._pruner, own_numbers, candidate_ids) if candidate_ids else {}
        self.seconds += time.monotonic() - start
        return verdicts

    def add_trial_result(self, result: TrialResult) -> None:
        """Takes how a trial of the cohort ended: pruners compare with complete ones."""
        if self._pruner is None or result.value is None or result.pruning_reason is not None:
            return
        if (number := self._numbers.get(result.lease.trial_id)) is not None:
            self._curves.table.complete_values[number] = result.value

    def _add_results(self, results: Iterable[EpochResult]) -> dict[int, int]:
        """Adds the epoch to the curves of the trials that still train; gives their numbers by id."""
        values: dict[int, dict[int, list[float | None]]] = {}
        for result in results:
            assert isinstance(result.key, tuple)
            trial_id, seed = result.key
            value = self._objective.value_of(result)
            is_value = math.isfinite(value) and not result.diverged
            values.setdefault(trial_id, {})[seed] = [value if is_value else None]
            self._epoch = result.epoch
        own_numbers = {trial_id: number for trial_id, number in self._numbers.items() if trial_id in values}
        for trial_id, number in own_numbers.items():
            self._curves.table.add(number, values[trial_id])
        return own_numbers

    def _judge(
        self, pruner: PrunerOptions, own_numbers: Mapping[int, int], candidate_ids: Sequence[int]
    ) -> dict[int, Verdict]:
        if rules.compares_trials(pruner):
            self._curves.refresh(own_numbers)
        ids = {own_numbers[trial_id]: trial_id for trial_id in candidate_ids if trial_id in own_numbers}
        verdicts = rules.prune(pruner, self._curves.table, self._epoch, ids)
        return {ids[number]: verdict for number, verdict in verdicts.items()}

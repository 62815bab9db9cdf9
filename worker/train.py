"""The task `train_mlp`: trains claimed trials as one cohort and records their curves and results."""

import logging
import math
import statistics
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from app import queue
from app.db.engine import first_line, is_gone, transaction
from app.db.tables import Sweep
from app.domain.objectives import Objective, further_values
from app.domain.pruning import wording
from app.domain.pruning.verdicts import Verdict
from app.domain.runs import EpochResult, Run
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from app.queue.progress import EpochPoint, RunResult, TrialResult
from app.search.curve_cache import CurveCache
from app.search.pruner import CohortPruner
from worker.cohort import Key, cohort, seed_indices
from worker.context import Context
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.split import Split
from worker.mlp.training import train
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)

RECORD_SECONDS = 0.5  # epochs that are shorter than this are written together


@dataclass
class RunProgress:
    """How far one run of the cohort has come."""

    run: Run
    last_result: EpochResult | None = None
    seconds: float = 0.0  # the run's share of the time that the cohort has trained

    @property
    def has_ended(self) -> bool:
        last = self.last_result
        return last is not None and (last.diverged or last.stopped or last.epoch == self.run.config.epochs)

    @property
    def epochs_done(self) -> int:
        return 0 if self.last_result is None else self.last_result.epoch

    def add(self, result: EpochResult) -> None:
        self.last_result = result
        self.seconds += result.seconds


class TrainMLP:
    """One cohort in training. `run` returns when every trial is finished, lost, or must be given back."""

    def __init__(
        self, context: Context, sweep: Sweep, trials: Sequence[ClaimedTrial], split: Split, curves: CurveCache
    ) -> None:
        self._context, self._sweep, self._split = context, sweep, split
        self._leases = {trial.lease.trial_id: trial.lease for trial in trials}
        self._seed_indices = {trial.lease.trial_id: seed_indices(sweep, trial) for trial in trials}
        self._progress = {_trial_and_seed(run.key): RunProgress(run) for run in cohort(sweep, trials)}
        self._parameters: dict[Hashable, Parameters] = {}  # by run, once it has ended
        self._unwritten_points: list[EpochPoint] = []
        self._recorded_at = time.monotonic()
        self.pruner = CohortPruner(curves, sweep, trials)
        self.verdicts: dict[int, Verdict] = {}  # on pruned trials, by trial id

    def run(self) -> None:
        """Trains until the last run has ended; a stop is heeded, and lost trials are dropped, after each epoch."""
        stopping = self._context.stopping
        if stopping.is_set():
            return
        training = train(
            [progress.run for progress in self._progress.values()], self._split, final_parameters=self._parameters
        )
        try:
            results = next(training)
            while True:
                self._add_results(results)
                self._prune(results)
                self._write()
                if stopping.is_set():
                    return
                results = training.send({key for key in self._progress if not self._holds(key[0])})
        except StopIteration:
            return
        finally:
            training.close()
            self._log_pruning()

    def _holds(self, trial_id: int) -> bool:
        return trial_id in self._context.held_leases

    def _log_pruning(self) -> None:
        if self._sweep.pruner is not None:
            values = self._sweep.id, len(self.verdicts), len(self._leases), self.pruner.seconds
            logger.info("sweep %d: %d of %d trials pruned, asking took %.2f s", *values)

    def _add_results(self, results: Sequence[EpochResult]) -> None:
        for result in results:
            key = _trial_and_seed(result.key)
            self._progress[key].add(result)
            self._unwritten_points.append(_point(key, result))

    def _prune(self, results: Sequence[EpochResult]) -> None:
        """Judges the trials that have epochs to come: to stop the others would save nothing."""
        candidate_ids = [
            trial_id for trial_id in self._leases if self._holds(trial_id) and not self._has_ended(trial_id)
        ]
        self.verdicts |= self.pruner.prune(results, candidate_ids)

    def _write(self) -> None:
        """Records the curves when it is time, and the trials whose training is over."""
        ended_leases = [
            lease
            for trial_id, lease in self._leases.items()
            if self._holds(trial_id) and (trial_id in self.verdicts or self._has_ended(trial_id))
        ]
        if ended_leases:
            # the curves first: a finished trial has whole ones
            retry_while_disconnected(self._record_points, self._context.stopping)
            self._finish(ended_leases)
        elif time.monotonic() - self._recorded_at >= RECORD_SECONDS:
            try:
                self._record_points()
            except DBAPIError as error:
                if not is_gone(error):
                    raise
                logger.warning("the database is gone, training goes on: %s", first_line(error))

    def _record_points(self) -> None:
        """Writes the points since the last time, and extends the leases."""
        leases = self._context.held_leases.leases()
        epochs_done = {lease: sum(run.epochs_done for run in self._runs_of(lease.trial_id)) for lease in leases}
        lease_seconds = self._context.settings.lease_seconds
        with transaction(self._context.engine) as session:
            held_ids = queue.record(session, self._sweep.id, epochs_done, self._unwritten_points, lease_seconds)
        self._context.held_leases.keep_only(leases, held_ids)
        self._unwritten_points.clear()
        self._recorded_at = time.monotonic()

    def _finish(self, leases: Sequence[Lease]) -> None:
        """Writes how trials ended, and lets go of their leases and parameters."""
        results = [self._trial_result(lease) for lease in leases]

        def write() -> set[int]:
            with transaction(self._context.engine) as session:
                return queue.finish(session, self._sweep.id, self._context.worker_id, results, self._weights_of)

        accepted_ids = retry_while_disconnected(write, self._context.stopping)
        logger.info("sweep %d: %d trials finished", self._sweep.id, len(accepted_ids))
        for result in results:
            self.pruner.add_trial_result(result)
        self._context.held_leases.release(lease.trial_id for lease in leases)
        for lease in leases:
            for index in self._seed_indices[lease.trial_id]:
                self._parameters.pop((lease.trial_id, index), None)

    def _runs_of(self, trial_id: int) -> list[RunProgress]:
        return [self._progress[trial_id, index] for index in self._seed_indices[trial_id]]

    def _has_ended(self, trial_id: int) -> bool:
        return all(run.has_ended for run in self._runs_of(trial_id))

    def _trial_result(self, lease: Lease) -> TrialResult:
        """The mean over the runs and its standard deviation; the first error where a run diverged."""
        objective = self._sweep.first_objective
        indices = self._seed_indices[lease.trial_id]
        runs = [_run_result(index, self._progress[lease.trial_id, index], objective) for index in indices]
        errors = [run.error for run in runs if run.error is not None]
        if errors:
            share = f" ({len(errors)} of {len(runs)} runs)" if len(runs) > 1 else ""
            return TrialResult(lease, None, None, errors[0] + share, runs)
        values = [run.value for run in runs if run.value is not None]
        std = statistics.stdev(values) if len(values) > 1 else None
        verdict = self.verdicts.get(lease.trial_id)
        reason = None if verdict is None else wording.sentence(verdict)
        return TrialResult(
            lease, statistics.fmean(values), std, None, runs, reason, self._further_values(lease.trial_id)
        )

    def _further_values(self, trial_id: int) -> list[float] | None:
        """The values of the sweep's further objectives; None where it has one objective."""
        if not self._sweep.objectives:
            return None
        metrics = [objective["metric"] for objective in self._sweep.objectives]
        runs = self._runs_of(trial_id)
        parameters = runs[0].run.config.parameter_count(self._split.train_x.shape[1], self._split.classes)
        last_results = [run.last_result for run in runs if run.last_result is not None]
        return further_values(metrics, last_results, [run.seconds for run in runs], parameters)

    def _weights_of(self, trial_id: int) -> dict[int, bytes]:
        """The parameters of a trial's runs, as safetensors, by the index of the run's seed."""
        weights_by_index = {}
        for index in self._seed_indices[trial_id]:
            last_result = self._progress[trial_id, index].last_result
            layers = self._parameters.get((trial_id, index))
            if layers is not None and last_result is not None:
                value = self._sweep.first_objective.value_of(last_result)
                weights_by_index[index] = weights.to_bytes(layers, value)
        return weights_by_index


def _trial_and_seed(key: Hashable) -> Key:
    """The key of one of the cohort's runs, which the training takes for any hashable."""
    assert isinstance(key, tuple)
    return key


def _point(key: Key, result: EpochResult) -> EpochPoint:
    """The row of a run's learning curve that an epoch adds."""
    trial_id, index = key
    return EpochPoint(
        trial_id,
        index,
        result.epoch,
        train_loss=_finite(result.train_loss),
        train_accuracy=_finite(result.train_accuracy),
        val_loss=_finite(result.val_loss),
        val_accuracy=_finite(result.val_accuracy),
        seconds=result.seconds,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _run_result(index: int, progress: RunProgress, objective: Objective) -> RunResult:
    """How a run ended; a run of a pruned trial ends with its last value."""
    last = progress.last_result
    assert last is not None
    if last.diverged:
        return RunResult(index, None, f"diverged at epoch {last.epoch}", progress.seconds)
    return RunResult(index, objective.value_of(last), None, progress.seconds)

"""The task `train_mlp`: trains claimed trials as one cohort and writes what comes of it."""

import logging
import math
import statistics
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from app import queue
from app.db.engine import first_line, is_gone, transaction
from app.db.tables import Sweep
from app.domain.objectives import further_values
from app.domain.runs import EpochResult, Run
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from app.queue.progress import EpochPoint, RunResult, TrialResult
from app.search.curve_cache import CurveCache
from app.search.pruner import Pruning
from worker.cohort import Key, cohort, seed_indices
from worker.context import Context
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.training import Split, train
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)

RECORD_SECONDS = 0.5  # epochs that are shorter than this are written together


@dataclass
class _Progress:
    """What is known of one run so far."""

    epochs: int
    last: EpochResult | None = None
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        last = self.last
        return last is not None and (last.diverged or last.stopped or last.epoch == self.epochs)


@dataclass
class TrainMLP:
    """One cohort in training. `run` returns when every trial is finished, lost, or must be given back."""

    context: Context
    sweep: Sweep
    trials: Sequence[ClaimedTrial]
    split: Split
    curves: CurveCache
    _points: list[EpochPoint] = field(default_factory=list)
    _recorded_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._runs: list[Run] = cohort(self.sweep, self.trials)
        self._progress: dict[Key, _Progress] = {_key(run.key): _Progress(run.config.epochs) for run in self._runs}
        self._keep: dict[Hashable, Parameters] = {}
        self._leases = {trial.lease.trial_id: trial.lease for trial in self.trials}
        self._indices = {trial.lease.trial_id: seed_indices(self.sweep, trial) for trial in self.trials}
        self._pruning = Pruning(self.curves, self.sweep, self.trials)
        self._pruned: dict[int, str] = {}  # the pruner's words by trial

    def run(self) -> None:
        """Trains until the last run has ended; a stop is heeded, and lost trials are dropped, after each epoch."""
        if self.context.stopping.is_set():
            return
        training = train(self._runs, self.split, keep=self._keep)
        try:
            results = next(training)
            while True:
                self._note(results)
                self._prune(results)
                self._write()
                if self.context.stopping.is_set():
                    return
                lost = {key for key in self._progress if key[0] not in self.context.held_leases}
                results = training.send(lost)
        except StopIteration:
            return
        finally:
            training.close()
            if self.sweep.pruner is not None:
                told = self.sweep.id, len(self._pruned), len(self.trials), self._pruning.seconds
                logger.info("sweep %d: %d of %d trials pruned, asking took %.2f s", *told)

    def _note(self, results: Sequence[EpochResult]) -> None:
        for result in results:
            key = _key(result.key)
            run = self._progress[key]
            run.last, run.seconds = result, run.seconds + result.seconds
            self._points.append(_point(key, result))

    def _prune(self, results: Sequence[EpochResult]) -> None:
        """Asks about the trials that have epochs to come: of the others a look would save nothing."""
        held_leases = self.context.held_leases
        training = [
            trial_id
            for trial_id in self._leases
            if trial_id in held_leases and not all(run.ended for run in self._runs_of(trial_id))
        ]
        self._pruned |= self._pruning.ask(results, training)

    def _write(self) -> None:
        """Records the curves when it is time, and the trials whose runs have all ended."""
        done = self._done()
        if done:
            retry_while_disconnected(
                self._record, self.context.stopping
            )  # the curves first: a finished trial has whole ones
            self._finish(done)
        elif time.monotonic() - self._recorded_at >= RECORD_SECONDS:
            try:
                self._record()
            except DBAPIError as error:
                if not is_gone(error):
                    raise
                logger.warning("the database is gone, training goes on: %s", first_line(error))

    def _record(self) -> None:
        leases = self.context.held_leases.leases()
        counts = {lease: self._epochs_done(lease.trial_id) for lease in leases}
        with transaction(self.context.engine) as session:
            seconds = self.context.settings.lease_seconds
            held = queue.record(session, self.sweep.id, counts, self._points, seconds)
        self.context.held_leases.keep_only(leases, held)
        self._points.clear()
        self._recorded_at = time.monotonic()

    def _finish(self, done: Sequence[Lease]) -> None:
        results = [self._result(lease) for lease in done]

        def write() -> set[int]:
            with transaction(self.context.engine) as session:
                return queue.finish(session, self.sweep.id, self.context.worker_id, results, self._weights)

        accepted = retry_while_disconnected(write, self.context.stopping)
        logger.info("sweep %d: %d trials finished", self.sweep.id, len(accepted))
        for result in results:
            self._pruning.finished(result)
        self.context.held_leases.release(lease.trial_id for lease in done)
        for lease in done:
            for index in self._indices[lease.trial_id]:
                self._keep.pop((lease.trial_id, index), None)

    def _done(self) -> list[Lease]:
        return [
            lease
            for trial_id, lease in self._leases.items()
            if trial_id in self.context.held_leases
            and (trial_id in self._pruned or all(run.ended for run in self._runs_of(trial_id)))
        ]

    def _runs_of(self, trial_id: int) -> list[_Progress]:
        return [self._progress[trial_id, index] for index in self._indices[trial_id]]

    def _epochs_done(self, trial_id: int) -> int:
        return sum(run.last.epoch for run in self._runs_of(trial_id) if run.last)

    def _result(self, lease: Lease) -> TrialResult:
        indices = self._indices[lease.trial_id]
        runs = [_run_result(index, self._progress[lease.trial_id, index], self.sweep.metric) for index in indices]
        values = [run.value for run in runs if run.value is not None]
        diverged = [run.error for run in runs if run.error is not None]
        if diverged:
            of = f" ({len(diverged)} of {len(runs)} runs)" if len(runs) > 1 else ""
            return TrialResult(lease, None, None, diverged[0] + of, runs)
        std = statistics.stdev(values) if len(values) > 1 else None
        pruned, others = self._pruned.get(lease.trial_id), self._other_values(lease.trial_id)
        return TrialResult(lease, statistics.fmean(values), std, None, runs, pruned, others)

    def _other_values(self, trial_id: int) -> list[float] | None:
        """Those of the sweep's further objectives."""
        if not self.sweep.objectives:
            return None
        metrics = [objective["metric"] for objective in self.sweep.objectives]
        config = next(run.config for run in self._runs if _key(run.key)[0] == trial_id)
        parameters = config.parameter_count(self.split.train_x.shape[1], self.split.classes)
        runs = self._runs_of(trial_id)
        lasts = [run.last for run in runs if run.last is not None]
        return further_values(metrics, lasts, [run.seconds for run in runs], parameters)

    def _weights(self, trial_id: int) -> dict[int, bytes]:
        """The parameters of a trial's runs, as safetensors, by seed."""
        kept = {index: self._keep.get((trial_id, index)) for index in self._indices[trial_id]}
        return {
            index: weights.to_bytes(layers, _value(self._progress[trial_id, index], self.sweep.metric))
            for index, layers in kept.items()
            if layers is not None
        }


def _key(key: object) -> Key:
    assert isinstance(key, tuple)
    return key


def _point(key: Key, result: EpochResult) -> EpochPoint:
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


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def _run_result(index: int, run: _Progress, metric: str) -> RunResult:
    assert run.last is not None
    if run.last.diverged:
        return RunResult(index, None, f"diverged at epoch {run.last.epoch}", run.seconds)
    return RunResult(index, _value(run, metric), None, run.seconds)


def _value(run: _Progress, metric: str) -> float:
    return float(getattr(run.last, metric))

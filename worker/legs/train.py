"""The task `train_mlp`: trains claimed trials as one cohort for one leg, and records what comes of them."""

import logging
import time
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress

from app.broker import UnreachableError
from app.domain.diagnostics import is_measured
from app.domain.formatting import plural
from app.domain.pruning.verdicts import Verdict
from app.domain.runs import EpochResult
from app.domain.sweep_setup import SweepSetup
from app.domain.tasks import TASKS
from app.queue.claims import ClaimedTrial
from app.queue.progress import DiagnosticsPoint, EpochPoint
from app.search.curve_cache import CurveCache
from app.search.pruner import CohortPruner
from worker.cohort import cohort, trial_and_seed
from worker.context import Context
from worker.legs import checkpoint
from worker.legs.checkpointing import Checkpointing
from worker.legs.progress import RunProgress, TrialProgress, epoch_point
from worker.mlp.run_state import RunState
from worker.mlp.split import Split
from worker.mlp.training import Training
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)

RECORD_SECONDS = 0.5  # epochs that are shorter than this are written together
LEG_SECONDS = 10.0  # after which trials make room for those of another sweep, of which none trains
LOOK_SECONDS = 1.0  # between two looks whether there is such a sweep


class TrainMLP:
    """One leg of a cohort. `run` returns when each trial has ended, waits for its next leg, is lost, or goes back."""

    def __init__(
        self, context: Context, sweep: SweepSetup, trials: Sequence[ClaimedTrial], split: Split, curves: CurveCache
    ) -> None:
        self._context, self._sweep = context, sweep
        self._shape, self._scaling = split.shape, split.scaling
        self._examples = len(split.train_x)
        runs = [RunProgress(run) for run in cohort(sweep, trials)]
        self._runs = {run.run.key: run for run in runs}
        self._epoch_costs = {trial.lease.trial_id: _epoch_cost(sweep, trial) for trial in trials}
        self._trials = {
            trial.lease.trial_id: TrialProgress(
                sweep, trial, [run for run in runs if trial_and_seed(run.run.key)[0] == trial.lease.trial_id]
            )
            for trial in trials
        }
        states = self._resume([trial.lease.trial_id for trial in trials if trial.epochs_trained > 0])
        if any(self._trials[trial.lease.trial_id].epoch != trial.epochs_trained for trial in trials):
            raise RuntimeError("a checkpoint is not of the epoch from which its trial goes on")
        live_runs = [run.run for run in runs if not run.has_ended]
        self._training = Training(live_runs, split, epochs_trained=trials[0].epochs_trained, states=states)
        self._checkpointing = Checkpointing(context, sweep, self._training, self._shape)
        self._unwritten_points: list[EpochPoint] = []
        self._unwritten_diagnostics: list[DiagnosticsPoint] = []
        self._started_at = self._recorded_at = self._room_looked_up_at = self._drain_looked_up_at = time.monotonic()
        self._drains = False  # this worker is to hand its trials back
        self._must_make_room = False  # another sweep has a better right to this worker or machine
        self.pruner = retry_while_disconnected(lambda: CohortPruner(curves, sweep, trials), context.stopping)
        self.verdicts: dict[int, Verdict] = {}  # on pruned trials, by trial id

    def _resume(self, trial_ids: Sequence[int]) -> dict[Hashable, RunState]:
        """Lets trials go on from their checkpoints; returns the states of their runs that train, by key."""

        states: dict[Hashable, RunState] = {}
        if not trial_ids:
            return states
        context = self._context
        stored = retry_while_disconnected(lambda: context.broker.load_checkpoints(trial_ids), context.stopping)
        for trial_id, data in stored.items():
            for run in checkpoint.from_bytes(data, trial_id):
                self._runs[run.last_result.key].resume(run)
                if run.state is not None:
                    states[run.last_result.key] = run.state
        return states

    def run(self) -> None:
        """Trains until the leg is over; a stop or drain is heeded, and lost trials are dropped, after each epoch."""
        stopping = self._context.stopping
        self._context.throughput.begin()
        try:
            if self._sweep.diagnostics and not any(run.epochs_done for run in self._runs.values()):
                self._diagnose()
            self._write()  # where a worker was lost between a rung and the end of that leg
            self._leave()
            while self._training.runs and not stopping.is_set() and not self._drains:
                results = self._training.train_epoch()
                self._context.throughput.add(self._examples * len(results), self._cost_of(results))
                self._add_results(results)
                self._prune(results)
                self._write()
                self._leave()
                self._look_up_room()
                if self._must_make_room:
                    self._end_legs(self._held_trials())
                    self._leave()
                elif self._checkpointing.is_due():
                    self._save(self._held_trials())
                self._look_up_drain()
            if stopping.is_set() or self._drains:
                self._save(self._checkpointing.worth_saving_at_exit(self._held_trials()))
        finally:
            self._training.close()
            self._log_pruning()

    def _held_trials(self) -> list[TrialProgress]:
        return [trial for trial_id, trial in self._trials.items() if trial_id in self._context.held_leases]

    def _cost_of(self, results: Sequence[EpochResult]) -> float:
        """What these epochs cost."""
        return self._examples * sum(self._epoch_costs[trial_and_seed(result.key)[0]] for result in results)

    def _log_pruning(self) -> None:
        if self.pruner.seconds:
            values = self._sweep.id, len(self.verdicts), self.pruner.seconds
            logger.info("sweep %d: %d trials pruned, asking took %.2f s", *values)

    def _add_results(self, results: Sequence[EpochResult]) -> None:
        for result in results:
            self._runs[result.key].add(result)
            self._unwritten_points.append(epoch_point(*trial_and_seed(result.key), result))
        ended_keys = {result.key for result in results if not result.diverged and self._runs[result.key].has_ended}
        for key, layers in self._training.parameters_of(ended_keys).items():
            self._runs[key].final_layers = layers
        if self._sweep.diagnostics:
            self._diagnose()

    def _diagnose(self) -> None:
        """Measures what the networks do, after the epochs at which that is due."""
        due_keys = {
            run.key
            for run in self._training.runs
            if is_measured(self._runs[run.key].epochs_done, last_epoch=run.config.epochs)
        }
        for key, measured in self._training.diagnostics(due_keys).items():
            place = trial_and_seed(key)
            self._unwritten_diagnostics.append(DiagnosticsPoint(*place, self._runs[key].epochs_done, measured))

    def _prune(self, results: Sequence[EpochResult]) -> None:
        """Judges the trials that have epochs to come: to stop the others would save nothing."""
        candidate_ids = [trial.lease.trial_id for trial in self._held_trials() if not trial.has_ended]
        self.verdicts |= self.pruner.prune(results, candidate_ids)

    def _write(self) -> None:
        """Records the curves when it is time, and the trials whose training or leg is over."""
        held_trials = self._held_trials()
        ended_trials = [trial for trial in held_trials if trial.has_ended or trial.lease.trial_id in self.verdicts]
        trials_at_rung = [trial for trial in held_trials if trial.waits_at_rung and trial not in ended_trials]
        if ended_trials:
            # the curves first: a finished trial has whole ones
            retry_while_disconnected(self._record_points, self._context.stopping)
            self._finish(ended_trials)
        if trials_at_rung:
            self._end_legs(trials_at_rung)
        if time.monotonic() - self._recorded_at >= RECORD_SECONDS:
            try:
                self._record_points()
            except UnreachableError as error:
                logger.warning("training goes on, and is not recorded: %s", error)

    def _record_points(self) -> None:
        """Writes the points since the last time, and extends the leases."""
        leases = self._context.held_leases.leases()
        epochs_done = {lease: self._trials[lease.trial_id].epochs_done for lease in leases}
        points = self._unwritten_points, self._context.settings.lease_seconds, self._unwritten_diagnostics
        held_ids = self._context.broker.record(self._sweep.id, epochs_done, *points)
        self._context.held_leases.keep_only(leases, held_ids)
        self._unwritten_points.clear()
        self._unwritten_diagnostics.clear()
        self._recorded_at = time.monotonic()

    def _finish(self, trials: Sequence[TrialProgress]) -> None:
        """Writes how trials ended, and lets go of their leases and parameters."""
        results = [trial.trial_result(self.verdicts.get(trial.lease.trial_id), *self._shape) for trial in trials]

        def write() -> set[int]:
            return self._context.broker.finish(
                self._sweep.id,
                results,
                weights=lambda trial_id: self._trials[trial_id].run_weights(self._scaling),
                final_checkpoint=lambda trial_id: self._checkpointing.final(self._trials[trial_id]),
            )

        accepted_ids = retry_while_disconnected(write, self._context.stopping)
        logger.info("sweep %d: %d trials finished", self._sweep.id, len(accepted_ids))
        for result in results:
            self.pruner.add_trial_result(result)
        self._forget(trials)

    def _end_legs(self, trials: Sequence[TrialProgress]) -> None:
        """Lets trials wait for their next leg, with the checkpoints of those that may well have one."""
        retry_while_disconnected(self._record_points, self._context.stopping)
        self._save(self._checkpointing.promising(trials))
        results = [trial.leg_result() for trial in trials]
        broker, sweep_id = self._context.broker, self._sweep.id
        held_ids = retry_while_disconnected(lambda: broker.end_leg(sweep_id, results), self._context.stopping)
        logger.info("sweep %d: %s at the end of a leg", self._sweep.id, plural(len(held_ids), "trial"))
        self._forget(trials)

    def _save(self, trials: Sequence[TrialProgress]) -> None:
        """Stores checkpoints of the trials, whose curves are recorded up to there."""
        if trials:
            retry_while_disconnected(self._record_points, self._context.stopping)
            self._checkpointing.save(trials)

    def _look_up_room(self) -> None:
        """Looks up now and then whether trials are to make room, once a checkpoint costs little beside the leg."""
        now, trials = time.monotonic(), self._held_trials()
        leg_seconds = max(LEG_SECONDS, self._checkpointing.worthwhile_seconds(trials))
        if not trials or now - self._started_at < leg_seconds or now - self._room_looked_up_at < LOOK_SECONDS:
            return
        self._room_looked_up_at = now
        with suppress(UnreachableError):
            self._must_make_room = self._context.broker.must_make_room(self._sweep.id)

    def _look_up_drain(self) -> None:
        """Looks up now and then whether this worker drains."""
        if time.monotonic() - self._drain_looked_up_at < LOOK_SECONDS:
            return
        self._drain_looked_up_at = time.monotonic()
        with suppress(UnreachableError):
            self._drains = self._context.broker.is_draining()

    def _forget(self, trials: Iterable[TrialProgress]) -> None:
        """Holds trials no longer, whose runs leave the cohort next."""
        self._context.held_leases.release(trial.lease.trial_id for trial in trials)
        for trial in trials:
            trial.drop_layers()

    def _leave(self) -> None:
        """Goes on without the runs that have ended, and those of trials that are not held."""
        self._training.leave(
            {
                run.key
                for run in self._training.runs
                if self._runs[run.key].has_ended or trial_and_seed(run.key)[0] not in self._context.held_leases
            }
        )


def _epoch_cost(sweep: SweepSetup, trial: ClaimedTrial) -> float:
    """What an epoch of one of the trial's runs costs for each training example."""
    task, params = TASKS[sweep.task], trial.params or {}
    return task.cost(params, sweep.dataset_info) / task.epochs(params)

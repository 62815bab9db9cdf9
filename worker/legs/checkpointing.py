"""When checkpoints are stored, of which trials, and that it costs little beside the training."""

import math
import time
from collections.abc import Iterator, Sequence
from functools import partial

from app.domain.sweep_setup import SweepSetup
from app.lifecycle.checkpoint_retention import MAX_CHECKPOINT_BYTES
from app.lifecycle.rungs import halving_pruner
from app.queue.legs import TrialCheckpoint
from worker.context import Context
from worker.device import memory
from worker.legs.progress import TrialProgress
from worker.mlp.training import Training
from worker.retry import retry_while_disconnected

MAX_SHARE = 0.05  # of the training's time, at most, goes into checkpoints between legs
ASSUMED_RATE = 50e6  # bytes a second, until a checkpoint was stored
MAX_EXIT_SECONDS = 3.0  # for checkpoints of a worker that was told to end
MIN_LOST_SECONDS = 2.0  # of training, that are worth a checkpoint
PROMISING = 1.5  # times as many trials as a rung promotes keep a checkpoint, since more will come to the rung
MAX_BATCH_BYTES = 64e6  # stored at once


class Checkpointing:
    """The checkpoints of one cohort."""

    def __init__(self, context: Context, sweep: SweepSetup, training: Training, shape: tuple[int, int]) -> None:
        self._context, self._sweep, self._training, self._shape = context, sweep, training, shape
        self._saved_at = time.monotonic()
        self._save_seconds = 0.0  # of the last time
        self._rate = ASSUMED_RATE

    def is_due(self) -> bool:
        """Whether so much was trained since the last checkpoint that it should not be lost."""
        interval = max(self._context.settings.checkpoint_seconds, self._save_seconds / MAX_SHARE)
        return bool(self._training.runs) and time.monotonic() - self._saved_at >= interval

    def worthwhile_seconds(self, trials: Sequence[TrialProgress]) -> float:
        """How long a leg of these trials lasts at least, so that a checkpoint at its end costs little beside it."""
        return self._bytes(trials) / self._rate / (2 * MAX_SHARE)

    def worth_saving_at_exit(self, trials: Sequence[TrialProgress]) -> list[TrialProgress]:
        """Those of the trials that a worker which ends has the time for; none where little would be lost."""
        if time.monotonic() - self._saved_at < MIN_LOST_SECONDS:
            return []
        left_bytes, chosen_trials = MAX_EXIT_SECONDS * self._rate, []
        for trial in trials:
            trial_bytes = trial.checkpoint_bytes(*self._shape)
            if trial.epoch > 0 and trial_bytes <= left_bytes:
                left_bytes -= trial_bytes
                chosen_trials.append(trial)
        return chosen_trials

    def promising(self, trials: Sequence[TrialProgress]) -> list[TrialProgress]:
        """Those of the trials that may well be promoted from the rung at which they are; all, where they are at none.

        The others begin anew, should their turn come after all.
        """
        halving = halving_pruner(self._sweep)
        if halving is None or not all(trial.waits_at_rung for trial in trials):
            return list(trials)

        broker, trial_id = self._context.broker, trials[0].lease.trial_id
        earlier_means = retry_while_disconnected(lambda: broker.means_at_rung(trial_id), self._context.stopping)
        objective = self._sweep.first_objective
        means = sorted([*earlier_means, *(trial.mean for trial in trials)], reverse=objective.maximize)
        border = means[math.ceil(len(means) * min(PROMISING / halving.reduction_factor, 1)) - 1]
        return [trial for trial in trials if not objective.is_better(border, than=trial.mean)]

    def final(self, trial: TrialProgress) -> TrialCheckpoint | None:
        """What a trial that was just trained to its end can be trained longer from; None where nothing can be kept."""
        if not trial.can_train_longer or trial.checkpoint_bytes(*self._shape) > MAX_CHECKPOINT_BYTES:
            return None
        try:
            states = self._training.states_of(trial.keys_of_whole_runs)
            is_whole = states.keys() == trial.keys_of_whole_runs
            return trial.checkpoint(states) if is_whole else None
        except Exception as error:  # the trial is complete without it
            if not memory.is_out_of_memory(error):
                raise
            return None

    def save(self, trials: Sequence[TrialProgress]) -> None:
        """Stores checkpoints of these trials; their curves are recorded up to there. Raises MemoryError."""
        started_at = time.monotonic()
        for batch in self._batches(trials):
            states = self._training.states_of({run.run.key for trial in batch for run in trial.runs})
            checkpoints = [trial.checkpoint(states) for trial in batch]
            write = partial(self._context.broker.save_checkpoints, self._sweep.id, checkpoints)
            retry_while_disconnected(write, self._context.stopping)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - started_at
        total_bytes = self._bytes(trials)
        if total_bytes > ASSUMED_RATE * MAX_SHARE:  # of fewer the time says little
            self._rate = total_bytes / self._save_seconds

    def _batches(self, trials: Sequence[TrialProgress]) -> Iterator[list[TrialProgress]]:
        """The trials in batches of at most MAX_BATCH_BYTES, at least one each: a batch is held several times over."""
        batch: list[TrialProgress] = []
        for trial in trials:
            if batch and self._bytes([*batch, trial]) > MAX_BATCH_BYTES:
                yield batch
                batch = []
            batch.append(trial)
        if batch:
            yield batch

    def _bytes(self, trials: Sequence[TrialProgress]) -> int:
        return sum(trial.checkpoint_bytes(*self._shape) for trial in trials)

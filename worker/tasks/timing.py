"""Times a claimed trial, alone on its machine, repeat by repeat, and records what comes of it."""

import logging
import os
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch

from app.domain.sweep_setup import SweepSetup
from app.domain.tasks import TASKS
from app.queue.claims import ClaimedTrial
from app.queue.progress import RunResult, TrialResult
from worker.cohort import run_seed, seed_indices
from worker.context import Context
from worker.device import hardware
from worker.mlp.split import Split
from worker.retry import retry_while_disconnected
from worker.tasks import time_matmul, time_memory, time_training
from worker.tasks.subject import NotAvailableError, Subject, Timer

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks whether the machine's other workers still train
WAIT_SECONDS = 300.0  # after which a trial is timed beside others, and says so

TIMERS: dict[str, Callable[[Subject], AbstractContextManager[Timer]]] = {
    "time_training": time_training.timer,
    "time_matmul": time_matmul.timer,
    "time_memory": time_memory.timer,
}


class Clocks(NamedTuple):
    """Seconds since some moment of the past."""

    wall: float
    own: float
    """In which a processor worked for this process."""
    machine: float | None
    """In which one worked for anybody; None where the system does not count."""

    @classmethod
    def read(cls) -> "Clocks":
        return cls(time.perf_counter(), time.process_time(), hardware.busy_seconds())

    def others_share(self, since: "Clocks") -> float | None:
        """The share of all the machine's processors in which others worked; None where that is not known.

        They may leave a trial its processor and still slow it, for neighbours share caches, and often a core.
        """
        if self.machine is None or since.machine is None or self.wall <= since.wall:
            return None
        others_seconds = max(self.machine - since.machine - (self.own - since.own), 0.0)
        share = others_seconds / (self.wall - since.wall) / (os.cpu_count() or 1)
        return round(min(share, 1.0), 4)  # the system counts in hundredths of a second, which may be more than all


class TimedTrial:
    """One trial on its way to a value. `run` returns when it has ended, is lost, or the worker is told to stop."""

    def __init__(self, context: Context, sweep: SweepSetup, trial: ClaimedTrial, split: Split | None) -> None:
        self._context, self._sweep, self._trial = context, sweep, trial
        self._task, self._dataset = TASKS[sweep.task], sweep.dataset_info
        params = self._task.complete(trial.params or {})
        self._subject = Subject(params, context.device, run_seed(sweep.seed, 0), split)
        self._runs: list[RunResult] = []
        self._processor_seconds = 0.0

    def run(self) -> None:
        """Times all repeats, with nothing else of ours on the machine if that can be had."""
        context = self._context
        alone = self._await_machine()
        if context.stopping.is_set() or not self._is_held:
            return
        circumstances: dict[str, Any] = {"host": socket.gethostname(), "load_before": hardware.load_averages()}
        try:
            with TIMERS[self._sweep.task](self._subject) as timer:
                circumstances |= {**hardware.facts(timer.device), **timer.facts}
                clocks = Clocks.read()
                self._time_repeats(timer)
                circumstances["others_share"] = Clocks.read().others_share(clocks)
                circumstances["processor_share"] = self._processor_share(timer)
        except NotAvailableError as error:
            self._finish(TrialResult(self._trial.lease, None, None, str(error), []))
            return
        circumstances |= {"load_after": hardware.load_averages(), "alone": alone and not self._is_shared()}
        if len(self._runs) == self._sweep.seeds and self._is_held:
            self._finish(self._result(circumstances))

    def _await_machine(self) -> bool:
        """Waits until no other worker of the machine is at work, for a while; whether none is. Raises Stopped."""
        deadline = time.monotonic() + WAIT_SECONDS
        while shared := self._is_shared():
            if not self._is_held or time.monotonic() > deadline or self._context.stopping.wait(LOOK_SECONDS):
                break
        if shared and not self._context.stopping.is_set():
            logger.warning("sweep %d: timed beside others on this machine", self._sweep.id)
        return not shared

    def _is_shared(self) -> bool:
        return retry_while_disconnected(self._context.broker.is_machine_shared, self._context.stopping)

    @property
    def _is_held(self) -> bool:
        return self._trial.lease.trial_id in self._context.held_leases

    def _time_repeats(self, timer: Timer) -> None:
        for index in seed_indices(self._sweep, self._trial):
            if self._context.stopping.is_set() or not self._is_held:
                return
            start, processor_start = time.perf_counter(), time.process_time()
            seconds = timer.seconds()
            taken_seconds = time.perf_counter() - start
            self._processor_seconds += time.process_time() - processor_start
            assert self._task.of_seconds is not None
            value = self._task.of_seconds(self._subject.params, self._dataset, seconds)[self._sweep.metric]
            self._runs.append(RunResult(index, value, None, taken_seconds))
            retry_while_disconnected(self._record_progress, self._context.stopping)

    def _processor_share(self, timer: Timer) -> float | None:
        """The share of its threads' time in which a processor worked for the repeats: what is lacking others had."""
        seconds = sum(run.seconds for run in self._runs) * torch.get_num_threads()
        return round(self._processor_seconds / seconds, 4) if timer.device.type == "cpu" and seconds else None

    def _record_progress(self) -> None:
        """Writes how many repeats are done, between two of them, and extends the lease."""
        lease, leases = self._trial.lease, self._context.held_leases
        lease_seconds = self._context.settings.lease_seconds
        held_ids = self._context.broker.record(self._sweep.id, {lease: len(self._runs)}, [], lease_seconds)
        leases.keep_only([lease], held_ids)

    def _result(self, circumstances: Mapping[str, Any]) -> TrialResult:
        values = [run.value for run in self._runs if run.value is not None]
        std = statistics.stdev(values) if len(values) > 1 else None
        return TrialResult(
            self._trial.lease, statistics.fmean(values), std, None, self._runs, circumstances=circumstances
        )

    def _finish(self, result: TrialResult) -> None:
        context, sweep_id = self._context, self._sweep.id
        accepted_ids = retry_while_disconnected(
            lambda: context.broker.finish(sweep_id, [result], lambda _: {}), context.stopping
        )
        logger.info("sweep %d: %d trials finished", self._sweep.id, len(accepted_ids))
        context.held_leases.release([self._trial.lease.trial_id])

"""The states of sweeps, trials, runs and workers."""

import enum


class SweepState(enum.StrEnum):
    """The states of a sweep."""

    queued = "queued"
    running = "running"
    paused = "paused"
    stopping = "stopping"
    completed = "completed"
    cancelled = "cancelled"
    failed = "failed"


class TrialState(enum.StrEnum):
    """The states of a trial."""

    waiting = "waiting"
    running = "running"
    complete = "complete"
    pruned = "pruned"
    failed = "failed"
    cancelled = "cancelled"
    infeasible = "infeasible"


class RunState(enum.StrEnum):
    """How a run ended."""

    complete = "complete"
    diverged = "diverged"
    pruned = "pruned"


class WorkerState(enum.StrEnum):
    """What a worker does."""

    idle = "idle"
    training = "training"
    stopped = "stopped"


LIVE_TRIALS = (TrialState.waiting, TrialState.running)
ENDED_SWEEPS = (SweepState.completed, SweepState.cancelled, SweepState.failed)

"""The states of sweeps, trials, runs and workers."""

import enum


class SweepState(enum.StrEnum):
    queued = "queued"
    running = "running"
    paused = "paused"
    stopping = "stopping"
    completed = "completed"
    cancelled = "cancelled"
    failed = "failed"


class TrialState(enum.StrEnum):
    waiting = "waiting"
    running = "running"
    complete = "complete"
    pruned = "pruned"
    failed = "failed"
    cancelled = "cancelled"
    infeasible = "infeasible"


class RunState(enum.StrEnum):
    complete = "complete"
    diverged = "diverged"
    pruned = "pruned"


class WorkerState(enum.StrEnum):
    idle = "idle"
    training = "training"
    stopped = "stopped"


LIVE_TRIALS = (TrialState.waiting, TrialState.running)
ENDED_SWEEPS = (SweepState.completed, SweepState.cancelled, SweepState.failed)

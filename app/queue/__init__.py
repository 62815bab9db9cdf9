"""What workers write: claims of trials, their epochs and results, scores, and weights asked for later."""

from app.queue.claims import MAX_CLAIMED_TRIALS, ClaimedTrial, UnclaimableError, claim, note_environment
from app.queue.leases import MAX_ATTEMPTS, Lease, expire, fail_attempt, fail_waiting, give_back, heartbeat
from app.queue.legs import (
    LegResult,
    TrialCheckpoint,
    end_leg,
    epochs_trained,
    load_checkpoints,
    means_at_rung,
    must_make_room,
    save_checkpoints,
)
from app.queue.progress import EpochPoint, RunResult, TrialResult, finish, record
from app.queue.workers import forget_workers, is_draining, live_workers, register, set_draining, set_worker_state

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_CLAIMED_TRIALS",
    "ClaimedTrial",
    "EpochPoint",
    "Lease",
    "LegResult",
    "RunResult",
    "TrialCheckpoint",
    "TrialResult",
    "UnclaimableError",
    "claim",
    "end_leg",
    "epochs_trained",
    "expire",
    "fail_attempt",
    "fail_waiting",
    "finish",
    "forget_workers",
    "give_back",
    "heartbeat",
    "is_draining",
    "live_workers",
    "load_checkpoints",
    "means_at_rung",
    "must_make_room",
    "note_environment",
    "record",
    "register",
    "save_checkpoints",
    "set_draining",
    "set_worker_state",
]

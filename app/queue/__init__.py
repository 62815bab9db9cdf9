"""What workers write: claims of trials, their epochs and results, scores, and weights asked for later."""

from app.queue.claims import MAX_CLAIMED_TRIALS, ClaimedTrial, claim, note_environment
from app.queue.leases import MAX_ATTEMPTS, Lease, expire, fail_attempt, give_back, heartbeat
from app.queue.progress import EpochPoint, RunResult, TrialResult, finish, record
from app.queue.workers import forget_workers, live_workers, register, set_worker_state

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_CLAIMED_TRIALS",
    "ClaimedTrial",
    "EpochPoint",
    "Lease",
    "RunResult",
    "TrialResult",
    "claim",
    "expire",
    "fail_attempt",
    "finish",
    "forget_workers",
    "give_back",
    "heartbeat",
    "live_workers",
    "note_environment",
    "record",
    "register",
    "set_worker_state",
]

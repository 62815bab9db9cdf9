"""Every write of a worker, under leases: claiming trials, recording epochs, finishing, giving back."""

from app.queue.claims import ClaimedTrial, claim, note_environment
from app.queue.leases import MAX_ATTEMPTS, Lease, drop, expire, give_back, heartbeat
from app.queue.progress import EpochPoint, RunResult, TrialResult, finish, record
from app.queue.workers import SILENT_SECONDS, forget_workers, live_workers, register, set_worker_state

__all__ = [
    "MAX_ATTEMPTS",
    "SILENT_SECONDS",
    "ClaimedTrial",
    "EpochPoint",
    "Lease",
    "RunResult",
    "TrialResult",
    "claim",
    "drop",
    "expire",
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

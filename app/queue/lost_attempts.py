"""Lost attempts in the log of their sweep: one entry a worker that was lost, or an error that was raised."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from app.db.tables import Worker
from app.domain.people.log_events import LogEvent
from app.lifecycle import sweep_log

MAX_REASON_LENGTH = 300


class LostAttempt(NamedTuple):
    """A trial that was taken from its worker."""

    sweep_id: int
    worker_id: UUID | None
    number: int
    has_failed: bool  # it was the last attempt


def note(session: Session, attempts: Sequence[LostAttempt], reason: str | None = None) -> None:
    """Logs these attempts; without a reason their workers were not heard of while their leases ran."""
    groups = defaultdict(list)
    for attempt in attempts:
        groups[attempt.sweep_id, attempt.worker_id].append(attempt)
    event = LogEvent.lost_worker if reason is None else LogEvent.failed_attempt
    for (sweep_id, worker_id), group in groups.items():
        worker_name = _name(session.get(Worker, worker_id) if worker_id is not None else None)
        if reason is None:
            cause = f"Lost {worker_name}, which was not heard of in time"
        else:
            cause = f"An attempt of {worker_name} failed ({reason[:MAX_REASON_LENGTH]})"
        numbers = sorted(attempt.number for attempt in group)
        sweep_log.note(session, sweep_id, event, f"{cause}: {_outcome(group)}", numbers)


def _name(worker: Worker | None) -> str:
    return "a worker" if worker is None else f"worker {worker.pid} on {worker.host}"


def _outcome(attempts: Sequence[LostAttempt]) -> str:
    """`trial 3 waits again`, `12 trials wait again, 2 trials have failed`."""
    parts = []
    for has_failed, singular, plural in ((False, "waits again", "wait again"), (True, "has failed", "have failed")):
        numbers = [attempt.number for attempt in attempts if attempt.has_failed == has_failed]
        if numbers:
            parts.append(f"{sweep_log.trials_text(numbers)} {singular if len(numbers) == 1 else plural}")
    return ", ".join(parts)

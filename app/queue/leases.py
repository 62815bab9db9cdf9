"""Leases: a worker's time-limited right to a trial, and how a trial comes back to the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from app.db.tables import Worker
from app.lifecycle import stop_rules, sweep_row
from app.queue import statements

MAX_ATTEMPTS = 3  # a trial whose workers died so often fails, so that a poisonous one can't take down the fleet


@dataclass(frozen=True)
class Lease:
    """A worker's time-limited right to a trial."""

    trial_id: int
    token: UUID


def heartbeat(session: Session, worker_id: UUID, leases: Sequence[Lease], lease_seconds: float) -> set[int]:
    """Says that the worker lives and extends its leases; returns the ids of the trials that are still held."""
    given = lease_arrays(leases)
    session.execute(statements.LOCK_THEIR_SWEEPS, {"ids": given["ids"]})
    held = {row.id for row in session.execute(statements.HEARTBEAT, given | {"lease": lease_seconds})}
    session.execute(update(Worker).where(Worker.id == worker_id).values(last_seen=func.clock_timestamp()))
    return held


def give_back(session: Session, sweep_id: int, leases: Sequence[Lease]) -> None:
    """Puts trials back into the queue as if they had not been claimed; they keep their parameters."""
    if sweep_row.lock(session, sweep_id) is None:
        return
    session.execute(statements.GIVE_BACK, lease_arrays(leases))
    close_stopped(session, [sweep_id])
    sweep_row.mark_changed(session, sweep_id)


def drop(session: Session, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
    """Puts back trials whose training raised an error; after MAX_ATTEMPTS they fail with the reason."""
    if sweep_row.lock(session, sweep_id) is None:
        return
    session.execute(statements.DROP, lease_arrays(leases) | {"reason": reason, "attempts": MAX_ATTEMPTS})
    close_stopped(session, [sweep_id])
    sweep_row.mark_changed(session, sweep_id)


def expire(session: Session) -> None:
    """Takes back trials whose lease has run out: to the queue again, or failed after MAX_ATTEMPTS."""
    lapsed = session.scalars(statements.LAPSED_SWEEPS).all()
    if not lapsed:
        return
    session.execute(statements.EXPIRE, {"sweeps": list(lapsed), "attempts": MAX_ATTEMPTS})
    close_stopped(session, lapsed)
    for sweep_id in lapsed:
        sweep_row.mark_changed(session, sweep_id)


def lease_arrays(leases: Sequence[Lease]) -> dict[str, list[Any]]:
    return {"ids": [lease.trial_id for lease in leases], "tokens": [lease.token for lease in leases]}


def close_stopped(session: Session, sweep_ids: Sequence[int]) -> None:
    """A trial that came back to a stopping sweep is cancelled, as its waiting ones were; a failed one may stop it."""
    for sweep_id in sweep_ids:
        stop_rules.apply(session, sweep_row.get(session, sweep_id))
    session.execute(statements.CANCEL_IN_STOPPING, {"sweeps": list(sweep_ids)})
    sweep_row.close_if_done(session, sweep_ids)

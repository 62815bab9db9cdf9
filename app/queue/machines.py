"""Machines: what is timed has its machine for itself, and what trains makes room for it.

A machine is the workers of one host name. While one of them holds a trial to be timed, the others begin nothing and end
the leg that they train (app.queue.legs), and it waits until none of them trains. Nothing is held for this beyond a
claim's transaction: a timing ends with its lease, and a worker that is not heard of no longer counts.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.tasks import TASKS
from app.queue.workers import IS_LIVE_SQL


def may_begin(session: Session, worker_id: UUID, *, alone: bool) -> bool:
    """Whether a claim may take trials, to time them `alone` or to train: not while another worker of the machine times.

    Until the transaction ends no other one of the machine is told so at the same time, if one of both times.
    """
    session.execute(_LOCK_ALONE if alone else _LOCK_SHARED, {"worker": worker_id})
    return not is_wanted(session, worker_id)


def is_wanted(session: Session, worker_id: UUID) -> bool:
    """Whether another worker of this one's machine times, or waits to."""
    return bool(session.scalar(_IS_WANTED, _parameters(worker_id)))


def is_shared(session: Session, worker_id: UUID) -> bool:
    """Whether another worker of this one's machine is at work."""
    return bool(session.scalar(_IS_SHARED, {"worker": worker_id}))


def _parameters(worker_id: UUID) -> dict[str, Any]:
    return {"worker": worker_id, "timings": [name for name, task in TASKS.items() if task.is_timing]}


_KEY = "hashtextextended('machine/' || host, 0)"
_LOCK_ALONE = text(f"SELECT pg_advisory_xact_lock({_KEY}) FROM workers WHERE id = :worker")
_LOCK_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_KEY}) FROM workers WHERE id = :worker")

_NEIGHBOURS = "workers JOIN workers own ON own.id = :worker AND own.host = workers.host AND own.id <> workers.id"

# First the sweeps that time, of which there are seldom any: all that trains need not be looked through, which OFFSET
# keeps the planner from.
_IS_WANTED = text(f"""
    WITH timing AS MATERIALIZED (
        SELECT id FROM sweeps WHERE task = ANY(:timings) AND state IN ('queued', 'running', 'paused', 'stopping')
    ), timed AS MATERIALIZED (
        SELECT trial.worker_id FROM timing, LATERAL (
            SELECT worker_id FROM trials
            WHERE sweep_id = timing.id AND state = 'running' AND lease_until > clock_timestamp() OFFSET 0
        ) AS trial
    )
    SELECT EXISTS (SELECT FROM {_NEIGHBOURS} WHERE workers.id IN (SELECT worker_id FROM timed))
""")

_IS_SHARED = text(f"SELECT EXISTS (SELECT FROM {_NEIGHBOURS} WHERE {IS_LIVE_SQL} AND workers.state = 'training')")

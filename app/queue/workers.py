"""The rows of workers: who trains, and who was heard of lately."""

from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.db.tables import Worker
from app.domain.states import WorkerState
from app.queue import statements

SILENT_SECONDS = 60.0  # a worker not heard of for so long no longer counts


def register(session: Session, worker: Worker) -> None:
    session.add(worker)


def forget_workers(session: Session) -> None:
    """Removes workers that were last heard of a week ago, but those that trained something that is still here."""
    session.execute(statements.FORGET_WORKERS)


def live_workers(session: Session) -> int:
    """Workers that were heard of lately."""
    lately = func.clock_timestamp() - text(f"interval '{SILENT_SECONDS:g} seconds'")
    alive = select(func.count()).where(Worker.state != WorkerState.stopped, Worker.last_seen > lately)
    return session.scalars(alive).one()


def set_worker_state(session: Session, worker_id: UUID, state: WorkerState) -> None:
    session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, last_seen=func.clock_timestamp()))

"""The rows of workers: which processes train, and which of them live."""

from uuid import UUID

from sqlalchemy import Boolean, func, literal_column, select, text, update
from sqlalchemy.orm import Session

from app.db.tables import Worker
from app.domain.states import WorkerState
from app.errors import ConflictError, NotFoundError

SILENT_SECONDS = 60.0  # a worker not heard of for so long no longer counts

# A live worker, as SQL says it of a row of `workers`.
IS_LIVE_SQL = f"""(workers.state <> 'stopped'
    AND workers.last_seen > clock_timestamp() - make_interval(secs => {SILENT_SECONDS:g}))"""

IS_LIVE = literal_column(IS_LIVE_SQL, Boolean)

_FORGET_WORKERS = text("""
    DELETE FROM workers w
    WHERE w.last_seen < clock_timestamp() - interval '7 days'
      AND NOT EXISTS (SELECT FROM trials t WHERE t.worker_id = w.id)
""")


def register(session: Session, worker: Worker) -> None:
    """Adds the row of a worker that has started."""
    session.add(worker)


def forget_workers(session: Session) -> None:
    """Removes workers that were last heard of a week ago, except those that trained a trial that is still here."""
    session.execute(_FORGET_WORKERS)


def live_workers(session: Session) -> int:
    """How many workers live: heard of lately, and not signed off."""
    return session.scalars(select(func.count()).select_from(Worker).where(IS_LIVE)).one()


def is_draining(session: Session, worker_id: UUID) -> bool:
    """Whether the worker is to hand its trials back, and to claim none."""
    return bool(session.scalar(select(Worker.draining).where(Worker.id == worker_id)))


def set_draining(session: Session, worker_id: UUID, *, draining: bool) -> None:
    """Drains a worker, or lets it work again. Raises NotFoundError, and ConflictError for one that is gone."""
    row = session.execute(select(Worker, IS_LIVE).where(Worker.id == worker_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no worker {worker_id}.")
    worker, is_live = row
    if not is_live:
        raise ConflictError(f"Worker {worker_id} is gone: what it held goes back to the queue by itself.")
    worker.draining = draining


def set_worker_state(session: Session, worker_id: UUID, state: WorkerState) -> None:
    """Writes what the worker does now, and that it was heard of."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, last_seen=func.clock_timestamp()))

"""Lists the workers that were heard of in the last day."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Worker
from app.queue.workers import IS_LIVE


def list_workers(session: Session) -> list[schemas.WorkerOut]:
    """Workers heard of in the last day, live ones first."""
    alive = IS_LIVE.label("alive")
    recent = Worker.last_seen > func.clock_timestamp() - text("interval '1 day'")
    query = select(Worker, alive).where(recent).order_by(alive.desc(), Worker.started_at.desc()).limit(200)
    return [
        schemas.WorkerOut(
            **{
                name: getattr(worker, name)
                for name in schemas.WorkerOut.model_fields
                if name not in {"alive", "trials"}
            },
            alive=is_alive,
            trials=worker.trials_done,
        )
        for worker, is_alive in session.execute(query)
    ]

"""The entries of a sweep's log."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import LogEntry
from app.lifecycle import sweep_row


def list_log(
    session: Session, sweep_id: int, *, limit: int = 100, after: int | None = None
) -> schemas.Page[schemas.LogEntryOut]:
    """What was done to the sweep and what befell it, the newest first. Raises NotFoundError."""
    sweep_row.get(session, sweep_id)
    query = select(LogEntry).where(LogEntry.sweep_id == sweep_id).order_by(LogEntry.id.desc())
    if after is not None:
        query = query.where(LogEntry.id < after)
    entries = session.scalars(query.limit(limit + 1)).all()
    next_cursor = str(entries[limit - 1].id) if len(entries) > limit else None
    return schemas.Page(
        items=[schemas.LogEntryOut.model_validate(entry) for entry in entries[:limit]], next=next_cursor
    )

"""What has befallen a sweep: the entries of its log, and what its webhook was told."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import LogEntry, WebhookDelivery
from app.lifecycle import sweep_row

Event = TypeVar("Event", LogEntry, WebhookDelivery)


def list_log(
    session: Session, sweep_id: int, *, limit: int = 100, after: int | None = None
) -> schemas.Page[schemas.LogEntryOut]:
    """What was done to the sweep and what befell it, the newest first. Raises NotFoundError."""
    entries, next_cursor = _newest(session, LogEntry, sweep_id, limit, after)
    return schemas.Page(items=[schemas.LogEntryOut.model_validate(entry) for entry in entries], next=next_cursor)


def list_deliveries(
    session: Session, sweep_id: int, *, limit: int = 100, after: int | None = None
) -> schemas.Page[schemas.DeliveryOut]:
    """What the sweep's webhook was and will be told, the newest first. Raises NotFoundError."""
    deliveries, next_cursor = _newest(session, WebhookDelivery, sweep_id, limit, after)
    return schemas.Page(items=[_delivery_out(delivery) for delivery in deliveries], next=next_cursor)


def _newest(
    session: Session, table: type[Event], sweep_id: int, limit: int, after: int | None
) -> tuple[Sequence[Event], str | None]:
    """The newest events of a sweep before the one of the id `after`, and the cursor of the next page."""
    sweep_row.get(session, sweep_id)
    query = select(table).where(table.sweep_id == sweep_id).order_by(table.id.desc())
    if after is not None:
        query = query.where(table.id < after)
    events = session.scalars(query.limit(limit + 1)).all()
    return events[:limit], str(events[limit - 1].id) if len(events) > limit else None


def _delivery_out(delivery: WebhookDelivery) -> schemas.DeliveryOut:
    same_names = set(schemas.DeliveryOut.model_fields) - {"event", "state", "sweep_state"}
    return schemas.DeliveryOut(
        **{name: getattr(delivery, name) for name in same_names},
        event=f"sweep.{delivery.state}",
        state="delivered" if delivery.delivered_at else "waiting" if delivery.next_attempt_at else "given_up",
        sweep_state=delivery.state,
    )

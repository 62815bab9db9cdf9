"""The deliveries of a sweep's webhook."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import WebhookDelivery
from app.lifecycle import sweep_row


def list_deliveries(
    session: Session, sweep_id: int, *, limit: int = 100, after: int | None = None
) -> schemas.Page[schemas.DeliveryOut]:
    """What the sweep's webhook was and will be told, the newest first. Raises NotFoundError."""
    sweep_row.get(session, sweep_id)
    query = select(WebhookDelivery).where(WebhookDelivery.sweep_id == sweep_id).order_by(WebhookDelivery.id.desc())
    if after is not None:
        query = query.where(WebhookDelivery.id < after)
    deliveries = session.scalars(query.limit(limit + 1)).all()
    next_cursor = str(deliveries[limit - 1].id) if len(deliveries) > limit else None
    return schemas.Page(items=[_delivery_out(delivery) for delivery in deliveries[:limit]], next=next_cursor)


def _delivery_out(delivery: WebhookDelivery) -> schemas.DeliveryOut:
    same_names = set(schemas.DeliveryOut.model_fields) - {"event", "state", "sweep_state"}
    return schemas.DeliveryOut(
        **{name: getattr(delivery, name) for name in same_names},
        event=f"sweep.{delivery.state}",
        state="delivered" if delivery.delivered_at else "waiting" if delivery.next_attempt_at else "given_up",
        sweep_state=delivery.state,
    )

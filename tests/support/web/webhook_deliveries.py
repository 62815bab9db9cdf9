"""Sweeps that tell a webhook of their changes, their deliveries, and the sender that is waited for."""

import base64
from typing import Any

from sqlalchemy import Engine, func, update

from app import queries
from app.db.engine import transaction
from app.db.tables import WebhookDelivery
from app.schemas import DeliveryOut
from app.web.webhooks import delivery as webhooks
from tests.support.queue_examples import create_sweep

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def create(engine: Engine, url: str, **changes: Any) -> int:
    return create_sweep(engine, webhook={"url": url, "secret": SECRET}, **changes)


def send(engine: Engine) -> int:
    """Sends all that is due; how many."""
    sent = 0
    while webhooks.send_next(engine, allow_private=True):
        sent += 1
    return sent


def deliveries(engine: Engine, sweep_id: int) -> list[DeliveryOut]:
    """The oldest first."""
    with transaction(engine) as session:
        return queries.list_deliveries(session, sweep_id).items[::-1]


def let_time_pass(engine: Engine) -> None:
    """Makes every attempt that waits due, as time would."""
    with transaction(engine) as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.next_attempt_at.is_not(None))
            .values(next_attempt_at=func.clock_timestamp())
        )

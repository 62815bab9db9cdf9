"""Tells webhooks of changes of sweeps' states: at least once, in their order, while nothing of the database is held.

A trigger puts each change into the outbox, in its own transaction. A sender takes the oldest change of a sweep, which
hides it from the others for a while, sends it, and writes how that went.
"""

import contextlib
import http.client
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, select, text
from sqlalchemy.orm import Session

from app import queries, schemas
from app.db.engine import transaction
from app.db.tables import Sweep, WebhookDelivery
from app.lifecycle import sweep_row
from app.web.webhooks.request import RefusedError, post

logger = logging.getLogger(__name__)

SENDERS = 4
POLL_SECONDS = 1.0
HIDDEN_SECONDS = 60.0  # longer than a request and the look-up of its host may take
FIRST_DELAY_SECONDS = 5.0  # doubled with each attempt
GIVE_UP_SECONDS = 24 * 3600.0  # after the change


@dataclass(frozen=True)
class Message:
    """What is to be sent in this attempt."""

    id: int
    delivery: str
    attempts: int
    url: str
    secret: str
    body: bytes


@contextlib.contextmanager
def sending(engine: Engine, *, private: bool) -> Iterator[None]:
    """Sends in the background while the block runs."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_run, args=(engine, private, stop), name=f"webhooks-{index}", daemon=True)
        for index in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(1)  # one that waits for an answer is left behind; what it sends is sent again


def _run(engine: Engine, private: bool, stop: threading.Event) -> None:
    while not stop.wait(POLL_SECONDS):
        try:
            while not stop.is_set() and send_next(engine, private=private):
                pass
        except Exception as error:  # the database is away; whatever it is, the next turn may find it mended
            logger.warning("webhooks can't be sent: %s", str(error).splitlines()[:1])


def send_next(engine: Engine, *, private: bool) -> bool:
    """Sends what is due for longest; False when nothing is."""
    with transaction(engine) as session:
        message = _take(session)
    if message is None:
        return False
    status, error = _send(message, private)
    with transaction(engine) as session:
        session.execute(
            _FAILED if error else _DELIVERED,
            {"id": message.id, "attempts": message.attempts, "status": status, "error": error} | _DELAYS,
        )
    return True


def _take(session: Session) -> Message | None:
    row = session.execute(_TAKE, {"hidden": HIDDEN_SECONDS}).one_or_none()
    sweep = row and session.get(Sweep, row.sweep_id)
    if row is None or sweep is None or sweep.webhook is None:
        return None
    body = row.body or _body(session, row)
    session.execute(_KEEP_BODY, {"id": row.id, "body": body})
    return Message(
        row.id, str(row.delivery), row.attempts, sweep.webhook["url"], sweep.webhook["secret"], body.encode()
    )


def _body(session: Session, row: Row[Any]) -> str:
    """The new state with how the sweep stands; written once, so that each attempt says the same."""
    sweep = queries.summary(session, row.sweep_id).model_dump(mode="json", include={"id", "name", "progress", "best"})
    return json.dumps(
        {
            "event": f"sweep.{row.state}",
            "sweep": sweep | {"state": row.state},
            "at": row.at.isoformat(),
            "delivery": str(row.delivery),
        }
    )


def _send(message: Message, private: bool) -> tuple[int | None, str | None]:
    """The status of the answer and what is wrong with it, or why there is none."""
    try:
        status = post(message.url, message.secret, message.delivery, message.body, private=private)
    except (RefusedError, OSError, ValueError, http.client.HTTPException) as error:
        return None, str(error)[:500] or type(error).__name__
    if 200 <= status < 300:
        return status, None
    return status, f"answered {status}{'; redirects are not followed' if 300 <= status < 400 else ''}"


def deliveries(
    session: Session, sweep_id: int, limit: int = 100, after: int | None = None
) -> schemas.Page[schemas.DeliveryOut]:
    """What the sweep's webhook was and will be told, the newest first. Raises NotFoundError."""
    sweep_row.get(session, sweep_id)
    query = select(WebhookDelivery).where(WebhookDelivery.sweep_id == sweep_id).order_by(WebhookDelivery.id.desc())
    if after is not None:
        query = query.where(WebhookDelivery.id < after)
    found = session.scalars(query.limit(limit + 1)).all()
    following = str(found[limit - 1].id) if len(found) > limit else None
    return schemas.Page(items=[_delivery_out(one) for one in found[:limit]], next=following)


def _delivery_out(row: WebhookDelivery) -> schemas.DeliveryOut:
    same = set(schemas.DeliveryOut.model_fields) - {"event", "state", "sweep_state"}
    return schemas.DeliveryOut(
        **{name: getattr(row, name) for name in same},
        event=f"sweep.{row.state}",
        state="delivered" if row.delivered_at else "waiting" if row.next_attempt_at else "given_up",
        sweep_state=row.state,
    )


_TAKE = text("""
    WITH due AS MATERIALIZED (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.next_attempt_at <= clock_timestamp() AND NOT EXISTS (
            SELECT FROM webhook_deliveries before
            WHERE before.sweep_id = d.sweep_id AND before.id < d.id AND before.next_attempt_at IS NOT NULL
        )
        ORDER BY d.next_attempt_at, d.id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_deliveries d
    SET attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => :hidden)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.delivery, d.sweep_id, d.state, d.at, d.attempts, d.body
""")

_KEEP_BODY = text("UPDATE webhook_deliveries SET body = :body WHERE id = :id AND body IS NULL")

# Whose turn was taken by another sender, because it was silent for too long, has nothing to say any more.
_DELIVERED = text("""
    UPDATE webhook_deliveries
    SET delivered_at = clock_timestamp(), next_attempt_at = NULL, status = :status, error = NULL
    WHERE id = :id AND attempts = :attempts AND next_attempt_at IS NOT NULL
""")

_FAILED = text("""
    UPDATE webhook_deliveries d
    SET status = :status, error = :error,
        next_attempt_at = CASE WHEN later.at < d.at + make_interval(secs => :give_up) THEN later.at END
    FROM (SELECT clock_timestamp() + make_interval(secs => :first_delay * 2 ^ (:attempts - 1)) AS at) AS later
    WHERE d.id = :id AND d.attempts = :attempts AND d.next_attempt_at IS NOT NULL
""")

_DELAYS = {"first_delay": FIRST_DELAY_SECONDS, "give_up": GIVE_UP_SECONDS}

"""Delivers changes of sweeps' states to webhooks: at least once, in order, and again later after a failure.

A trigger puts each change into the outbox (`webhook_deliveries`), in the change's own transaction. A sender claims the
oldest change of a sweep, which hides it from the others for a while, sends it, and writes how that went. No transaction
is open while it waits for the answer.
"""

import contextlib
import http.client
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, text
from sqlalchemy.orm import Session

from app import queries
from app.db.engine import transaction
from app.db.tables import Sweep
from app.errors import in_short
from app.queue.errors import storable
from app.web.webhooks.request import RefusedError, post

logger = logging.getLogger(__name__)

SENDERS = 4
SENDERS_A_HOST = 2  # at most, whichever of its ports: one that does not answer leaves the others
FREE_SENDERS = 1  # for hosts at which nothing is tried and nothing has failed, however many others do not answer
POLL_SECONDS = 1.0
HIDDEN_SECONDS = 60.0  # longer than a request and the look-up of its host may take
FIRST_DELAY_SECONDS = 5.0  # before the second attempt; doubled with each further one
GIVE_UP_SECONDS = 24 * 3600.0  # after the change


@dataclass(frozen=True)
class Attempt:
    """One attempt to deliver a change."""

    id: int  # of the row in the outbox
    delivery: str  # the header `webhook-id`, the same in each attempt
    number: int  # from 1
    host: str
    url: str
    secret: str
    body: bytes


class HostsInUse:
    """The hosts from which the senders of this server wait for answers."""

    def __init__(self) -> None:
        self._claiming = threading.Lock()  # one claims after the other, so that each knows the hosts of the others
        self._senders: Counter[str] = Counter()

    def claim(self, engine: Engine, *, passes_tried_hosts: bool) -> Attempt | None:
        """The next attempt at a host that has not all the senders it may have; `leave` its host afterwards."""
        with self._claiming:
            full = [host for host, senders in self._senders.items() if senders >= SENDERS_A_HOST]
            with transaction(engine) as session:
                attempt = _claim(session, full, passes_tried_hosts=passes_tried_hosts)
            if attempt is not None:
                self._senders[attempt.host] += 1
        return attempt

    def leave(self, host: str) -> None:
        """The attempt there has ended."""
        with self._claiming:
            self._senders[host] -= 1
            self._senders += Counter()  # keeps those that are in use


@contextlib.contextmanager
def sending(engine: Engine, *, allow_private: bool) -> Iterator[Sequence[threading.Thread]]:
    """Sends in the background while the block runs, by these threads."""
    stop, hosts = threading.Event(), HostsInUse()
    threads = [
        threading.Thread(
            target=_run,
            args=(engine, hosts, allow_private, index < FREE_SENDERS, stop),
            name=f"webhooks-{index}",
            daemon=True,
        )
        for index in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.set()
        for thread in threads:
            thread.join(1)  # one that waits for an answer is left behind; what it sends is sent again


def _run(engine: Engine, hosts: HostsInUse, allow_private: bool, is_free: bool, stop: threading.Event) -> None:
    """One sender: makes all attempts that are due, and looks again after POLL_SECONDS."""
    while not stop.wait(POLL_SECONDS):
        try:
            while not stop.is_set() and send_next(
                engine, hosts, allow_private=allow_private, passes_tried_hosts=is_free
            ):
                pass
        except Exception as error:  # the database is away; whatever it is, the next turn may find it mended
            logger.warning("webhooks can't be sent: %s", in_short(error))


def send_next(
    engine: Engine, hosts: HostsInUse | None = None, *, allow_private: bool, passes_tried_hosts: bool = False
) -> bool:
    """Makes the attempt that has been due for longest, first ones before others; False when none is.

    `hosts`: those that the server's other senders use. At hosts that are being tried, or have failed before, others are
    tried first; `passes_tried_hosts`: they alone.
    """
    hosts = hosts or HostsInUse()
    attempt = hosts.claim(engine, passes_tried_hosts=passes_tried_hosts)
    if attempt is None:
        return False
    try:
        status, error = _send(attempt, allow_private)
    finally:
        hosts.leave(attempt.host)
    with transaction(engine) as session:
        _write_result(session, attempt, status, error)
    return True


def _claim(session: Session, full_hosts: Sequence[str], *, passes_tried_hosts: bool) -> Attempt | None:
    """The next attempt, hidden from other senders; its body is written at the first one, so that all say the same."""
    parameters = {"hidden": HIDDEN_SECONDS, "passes": passes_tried_hosts, "full": full_hosts}
    row = session.execute(_CLAIM, parameters).one_or_none()
    sweep = row and session.get(Sweep, row.sweep_id)
    if row is None or sweep is None or sweep.webhook is None:
        return None
    body = row.body or _body(session, row)
    session.execute(_KEEP_BODY, {"id": row.id, "body": body})
    url, secret = sweep.webhook["url"], sweep.webhook["secret"]
    return Attempt(row.id, str(row.delivery), row.attempts, row.host, url, secret, body.encode())


def _body(session: Session, row: Row[Any]) -> str:
    """The JSON that is sent: the new state, and how the sweep stands now."""
    sweep = queries.summary(session, row.sweep_id).model_dump(mode="json", include={"id", "name", "progress", "best"})
    return json.dumps(
        {
            "event": f"sweep.{row.state}",
            "sweep": sweep | {"state": row.state},
            "at": row.at.isoformat(),
            "delivery": str(row.delivery),
        }
    )


def _send(attempt: Attempt, allow_private: bool) -> tuple[int | None, str | None]:
    """The status of the answer, None where there is none, and what went wrong, None where nothing did."""
    try:
        status = post(attempt.url, attempt.secret, attempt.delivery, attempt.body, allow_private=allow_private)
    except (RefusedError, OSError, ValueError, http.client.HTTPException) as error:
        return None, storable(str(error))[:500] or type(error).__name__  # which may quote whatever was answered
    if 200 <= status < 300:
        return status, None
    return status, f"answered {status}{'; redirects are not followed' if 300 <= status < 400 else ''}"


def _write_result(session: Session, attempt: Attempt, status: int | None, error: str | None) -> None:
    """Notes that the change is delivered, or when it is sent again, unless another sender has claimed it meanwhile."""
    result = {"id": attempt.id, "attempts": attempt.number, "status": status}
    if error is None:
        session.execute(_DELIVERED, result)
    else:
        delays = {"first_delay": FIRST_DELAY_SECONDS, "give_up": GIVE_UP_SECONDS}
        session.execute(_FAILED, {**result, "error": error, **delays})


# Without its port: a machine that does not answer has thousands of them.
_HOST = r"coalesce(lower(substring(s.webhook ->> 'url' FROM '^[^:]+://(\[[^]]*\]|[^:/?#]*)')), '')"

# What failed before may fail again, and where one does not answer, others may not: they would keep new changes waiting.
_CLAIM = text(f"""
    WITH tried AS MATERIALIZED (
        SELECT DISTINCT {_HOST} AS host FROM webhook_deliveries d JOIN sweeps s ON s.id = d.sweep_id
        WHERE d.next_attempt_at IS NOT NULL AND d.attempts > 0
    ), due AS MATERIALIZED (
        SELECT d.id, {_HOST} AS host FROM webhook_deliveries d JOIN sweeps s ON s.id = d.sweep_id
        LEFT JOIN tried ON tried.host = {_HOST}
        WHERE d.next_attempt_at <= clock_timestamp() AND NOT EXISTS (
            SELECT FROM webhook_deliveries before
            WHERE before.sweep_id = d.sweep_id AND before.id < d.id AND before.next_attempt_at IS NOT NULL
        ) AND {_HOST} <> ALL(CAST(:full AS text[])) AND NOT (:passes AND tried.host IS NOT NULL)
        ORDER BY d.attempts > 0, tried.host IS NOT NULL, d.next_attempt_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE webhook_deliveries d
    SET attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => :hidden)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.delivery, d.sweep_id, d.state, d.at, d.attempts, d.body, due.host
""")

_KEEP_BODY = text("UPDATE webhook_deliveries SET body = :body WHERE id = :id AND body IS NULL")

# `attempts` has grown where another sender has claimed the row, because this one was silent for too long: its result
# counts no more.
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

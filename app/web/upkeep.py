"""What the server does every few seconds so that sweeps go on when no worker is there to do it."""

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from app.access import sessions, shares
from app.db.engine import transaction
from app.errors import in_short
from app.lifecycle import checkpoint_retention, stop_rules
from app.queue.leases import expire
from app.queue.workers import forget_workers
from app.sweeps import deletion

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
CLEARING_SECONDS = 2.0  # how long what a deleted sweep has left may lie before it is noticed


class Upkeep:
    """Stops sweeps whose time is over, takes back the trials of lost workers, and forgets what is no longer needed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forgot_at = -math.inf  # time.monotonic

    def run(self) -> None:
        """One round."""
        with transaction(self._engine) as session:
            stop_rules.stop_overdue(session)
        with transaction(self._engine) as session:
            if time.monotonic() - self._forgot_at >= DAY_SECONDS:
                forget_workers(session)
                sessions.drop_expired(session)
                shares.drop_expired(session)
                self._forgot_at = time.monotonic()
            expire(session)
        with transaction(self._engine) as session:
            checkpoint_retention.drop_ended(session)


@contextmanager
def clearing(engine: Engine) -> Iterator[threading.Thread]:
    """Removes what deleted sweeps have left, piece by piece in this thread, while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=_clear, args=(engine, stop), name="clearing", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(5)  # what it is at takes less, or is rolled back with its connection


def _clear(engine: Engine, stop: threading.Event) -> None:
    pieces = deletion.Clearing(engine)
    pause = 0.0
    while not stop.wait(pause):
        try:
            seconds = pieces.turn()
            pause = CLEARING_SECONDS if seconds is None else seconds
        except Exception as error:  # the database is away; whatever it is, the next turn may find it mended
            logger.warning("deleted sweeps can't be cleared away: %s", in_short(error))
            pause = CLEARING_SECONDS

"""A worker that has nothing to do waits for notifications of the database, with a slow poll behind."""

import logging
import random
import threading
import time
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from app.db.engine import TIMEOUTS, application_name
from app.db.notifications import WORK_CHANNEL

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.25  # how long a stop may go unnoticed
RECONNECT_SECONDS = 1.0


class Listener:
    """A connection that listens for notifications. A lost one is opened again; until then the poll alone wakes."""

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def wait(self, seconds: float, stopping: threading.Event) -> None:
        """Returns at a notification, after about as many seconds, or when told to stop."""
        deadline = time.monotonic() + random.uniform(0.75, 1.25) * seconds
        while not stopping.is_set() and time.monotonic() < deadline:
            try:
                if any(True for _ in self._open_connection().notifies(timeout=SLICE_SECONDS, stop_after=1)):
                    # not all workers at the same moment: those that come later often find nothing left
                    stopping.wait(random.uniform(0, SLICE_SECONDS))
                    return
            except psycopg.Error as error:
                logger.debug("not listening: %s", error)
                self._close()
                stopping.wait(RECONNECT_SECONDS)

    def _open_connection(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url, autocommit=True, application_name=application_name("worker listening"), **TIMEOUTS
            )
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WORK_CHANNEL)))
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""A worker that has nothing to do waits for notifications of the database, with a slow poll behind."""

import logging
import random
import threading
import time
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.engine import keeps_connections
from app.db.notifications import WORK_CHANNEL

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.25  # how long a stop may go unnoticed
RECONNECT_SECONDS = 1.0


class Listener:
    """Listens on a connection of the worker's own few, until `rest`. A lost one is opened again; the poll wakes too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rest()

    def wait(self, seconds: float, stopping: threading.Event) -> None:
        """Returns at a notification, after about as many seconds, or when told to stop.

        Where it has only now begun to listen it returns at once: what was told before, nobody heard.
        """
        deadline = time.monotonic() + random.uniform(0.75, 1.25) * seconds
        while not stopping.is_set() and time.monotonic() < deadline:
            if not keeps_connections(self._engine):
                stopping.wait(deadline - time.monotonic())  # behind a pooler nobody is told anything
                return
            try:
                if self._connection is None:
                    self._listen()
                    return
                if self._was_told():
                    # not all workers at the same moment: those that come later often find nothing left
                    stopping.wait(random.uniform(0, SLICE_SECONDS))
                    return
            except (psycopg.Error, DBAPIError, PoolTimeoutError) as error:
                logger.debug("not listening: %s", error)
                self._drop()
                stopping.wait(RECONNECT_SECONDS)

    def rest(self) -> None:
        """Gives the connection back, while the worker trains."""
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("UNLISTEN *")
                self._connection.close()
            except DBAPIError:
                self._drop()
            self._connection = None

    def _listen(self) -> None:
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.exec_driver_sql(f"LISTEN {WORK_CHANNEL}")

    def _was_told(self) -> bool:
        """Whether there is a notification within a moment."""
        assert self._connection is not None
        driver_connection: psycopg.Connection[Any] = self._connection.connection.driver_connection  # type: ignore
        return any(True for _ in driver_connection.notifies(timeout=SLICE_SECONDS, stop_after=1))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

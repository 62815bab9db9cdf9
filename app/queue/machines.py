"""Machines: what is timed has its machine for itself, and what trains shares it.

Workers of one host name hold an advisory lock of the database, in a transaction of its own: shared while they train,
alone while they time. A worker that is lost loses its connection, and with it the lock. Nothing that is waiting to be
timed is passed by: who wants to train waits behind it, and who trains ends its leg (app.queue.legs).
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db.engine import first_line, is_lock_timeout

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # after which one that waits looks whether it has to stop
TIMING_WAIT_SECONDS = 300.0  # after which a trial is timed beside others, and says so
TRAINING_WAIT_SECONDS = 3600.0  # after which runs train beside what is timed: its worker must hang


@contextmanager
def machine_held(engine: Engine, host: str, stopping: threading.Event, *, alone: bool) -> Iterator[bool]:
    """Holds the machine for the block, alone or shared; whether it is held.

    It is not where others would not let go in time, without a database, and for a worker that is told to stop.
    """
    seconds = TIMING_WAIT_SECONDS if alone else TRAINING_WAIT_SECONDS
    connection = _locked_connection(engine, host, stopping, alone=alone, deadline=time.monotonic() + seconds)
    try:
        yield connection is not None
    finally:
        if connection is not None:
            _release(connection)


def is_wanted(session: Session, host: str) -> bool:
    """Whether a worker waits for the machine to itself."""
    return bool(session.scalar(_IS_WANTED, {"machine": _name(host)}))


def _locked_connection(
    engine: Engine, host: str, stopping: threading.Event, *, alone: bool, deadline: float
) -> Connection | None:
    while not stopping.is_set():
        connection: Connection | None = None
        try:
            connection = engine.connect()
            connection.execute(_SET_TIMEOUTS, {"look": f"{LOOK_SECONDS * 1000:.0f}ms"})
            connection.execute(_LOCK_ALONE if alone else _LOCK_SHARED, {"machine": _name(host)})
            return connection
        except DBAPIError as error:
            if connection is not None:
                connection.close()
            if not is_lock_timeout(error) or time.monotonic() > deadline:
                logger.warning("working beside others on this machine: %s", first_line(error))
                return None
    return None


def _release(connection: Connection) -> None:
    try:
        connection.rollback()
    except DBAPIError as error:
        logger.warning("the lock on this machine was lost: %s", first_line(error))
    finally:
        connection.close()


def _name(host: str) -> str:
    return f"machine/{host}"


# The transaction that holds a lock is idle for as long as something trains.
_SET_TIMEOUTS = text("""
    SELECT set_config('lock_timeout', :look, true), set_config('idle_in_transaction_session_timeout', '0', true)
""")

_KEY = "hashtextextended(:machine, 0)"
_LOCK_ALONE = text(f"SELECT pg_advisory_xact_lock({_KEY})")
_LOCK_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_KEY})")

# Postgres shows the two halves of a key; a waiting lock is one that is not granted.
_IS_WANTED = text(f"""
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid = CAST(({_KEY} >> 32) & 4294967295 AS oid) AND objid = CAST({_KEY} & 4294967295 AS oid)
    )
""")

"""One server for a data folder: the first process that uses it starts it, and the last one stops it.

`home/postgres` holds the cluster (`data`), what the server says (`log`), its Unix socket, and three locks. A lock ends
with its holders, however they end, so no process id and no counter has to be believed:

- `users.lock` is shared by every process that uses the server; who gets it alone was the last one and stops the server.
- `change.lock` is held alone while the server is started or stopped.
- `server.lock` is inherited by Postgres and all of its processes: while it is taken the server lives, whatever a stale
  `postmaster.pid` says; when it is free, nothing of the server is left.

Clients come over the socket, and the operating system says who they are ("peer"): there is neither a port nor a
password, and only the user who made the cluster may connect, or root where it runs as the user `perceptune`.
"""

import fcntl
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import StartError
from app.service.postgres.locks import EXCLUSIVE_NOW, locked
from app.service.postgres.messages import refusals_as_sentences
from app.service.postgres.postmaster import Postmaster
from app.service.postgres.settings import SETTINGS

WATCH_SECONDS = 0.5
RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


@contextmanager
def running(home: Path, options: Mapping[str, str] | None = None) -> Iterator[str]:
    """The SQLAlchemy URL of this data folder's server, which is started if none runs and stopped by its last user.

    While the block runs the server is watched: if it dies it is started again, under the same URL.

    home: the data folder; it is made where it is missing.
    options: Postgres settings in place of those in `SETTINGS`, used when this call starts the server.

    Raises StartError with a sentence for the user.
    """
    server = Postmaster(home, {**SETTINGS, **(options or {})})
    with refusals_as_sentences(server.folder):
        server.prepare()
    with _counted_user(server), _watched(server):
        yield server.url


@contextmanager
def _counted_user(server: Postmaster) -> Iterator[None]:
    """Counts this process among the server's users; the first one starts it, the last one stops it."""
    with locked(server.users_lock, fcntl.LOCK_UN) as user_lock:
        try:
            with refusals_as_sentences(server.folder), locked(server.change_lock, fcntl.LOCK_EX):
                fcntl.flock(user_lock, fcntl.LOCK_SH)
                server.ensure_running()
            yield
        finally:
            with locked(server.change_lock, fcntl.LOCK_EX), suppress(BlockingIOError):
                fcntl.flock(user_lock, EXCLUSIVE_NOW)
                server.stop()


@contextmanager
def _watched(server: Postmaster) -> Iterator[None]:
    """Starts the server again whenever it dies while the block runs."""
    leaving = threading.Event()
    thread = threading.Thread(target=_watch, args=(server, leaving), name="embedded-postgres", daemon=True)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def _watch(server: Postmaster, leaving: threading.Event) -> None:
    while not leaving.wait(WATCH_SECONDS):
        try:
            server.limit_log()
            if server.is_down():
                with locked(server.change_lock, fcntl.LOCK_EX):
                    server.ensure_running()
                logger.warning("The embedded Postgres had died; it runs again")
        except (OSError, StartError) as error:
            logger.error("The embedded Postgres has died: %s", error)
            leaving.wait(RETRY_SECONDS)

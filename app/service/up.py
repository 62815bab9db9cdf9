"""The service that `perceptune up` starts: database, tables, web server and workers, in this order."""

import contextlib
import ctypes
import errno
import gc
import logging
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvicorn
from sqlalchemy import Engine

from app.access import keys
from app.config import Settings, local_address
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.errors import StartError
from app.service.database import database
from app.service.http_protocol import Protocol
from app.service.postgres.settings import FOLDER
from app.service.workers import Workers
from app.web.app import create_app

logger = logging.getLogger(__name__)
BACKLOG = 2048
MAX_OPEN_FILES = 65_536
ARENAS = 2  # of the C library, for all threads
_M_ARENA_MAX = -8  # of malloc.h
SWITCH_SECONDS = 0.001


class Service:
    """A web server with its database and its workers, which run while the context is open.

    Inside it `url` is the address that it serves on, `public_url` that for other machines, `engine` its database and
    `workers` its worker processes.
    """

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        self._settings = settings
        self._log = log
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            if not self._settings.first_key and not _may_have_keys(self._settings):
                self._settings.refuse_unsafe_serving()  # at once: a database that is not there has no keys
            raise_file_limit()
            listener = undo.enter_context(_listener(self._settings))
            settings = undo.enter_context(database(self._settings))
            assert settings.database_url is not None
            self.engine: Engine = connect(settings.database_url, "server")
            undo.callback(self.engine.dispose)
            migrate(self.engine)
            self.url = local_address(settings.host, listener.getsockname()[1])
            self._announce_first_key(settings.public_url or self.url)
            undo.enter_context(_serving(settings, listener))
            self.public_url = settings.public_url or self.url.replace("127.0.0.1", socket.gethostname())
            self.workers = undo.enter_context(Workers(settings, self._log))
            self._exit = undo.pop_all()
        return self

    def _announce_first_key(self, url: str) -> None:
        """Where it is asked for and there is no key yet, makes one; the log alone shows it, with the address.

        What is behind the # is sent to no server: the page itself reads it.
        """
        if not self._settings.first_key or self._settings.api_key is not None or self._settings.open:
            return
        with transaction(self.engine) as session:
            token = keys.create_first(session)
        if token is not None:
            logger.warning("the first key, with the role admin, was made; open %s/login#key=%s", url, token)

    def __exit__(self, *_: object) -> None:
        self._exit.close()


def _may_have_keys(settings: Settings) -> bool:
    """Whether there is a database in which keys may be."""
    return settings.database_url is not None or (settings.home / FOLDER).exists()


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def raise_file_limit() -> None:
    """Lets this process have as many open files, connections among them, as the system allows it, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(OSError, ValueError):  # a system that counts in another way keeps its limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def collect_garbage_rarely() -> None:
    """Lets Python look for garbage less often, and not at all through what was there when the server began.

    A chart of a large sweep is tens of thousands of small objects: looking through them for each 700 new ones, as
    Python does, takes as long as all the rest. A picture leaves hundreds of kilobytes of garbage that no earlier look
    finds than the last one, through all objects: so that one has to come, and to be cheap.
    """
    gc.set_threshold(100_000, 10, 5)
    gc.freeze()


def take_turns_often() -> None:
    """Lets threads that compute make way more often than Python does, which is every 5 ms.

    Whoever needs little needs a dozen turns for it, and before each of them all who compute have theirs.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def share_arenas() -> None:
    """Has threads share what memory the C library holds for them, so that it comes back after many large answers.

    glibc gives each of up to eight threads a core a heap of its own, of which it keeps what was needed once: with forty
    threads that is hundreds of megabytes. Other libraries do not know the call, or not the name.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, ARENAS)


@contextlib.contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The socket, bound before anything else is started. Raises StartError when the port can't be had."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named: asyncio looks for it before it lets small answers go at once, not 40 ms later
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, settings.port))
            listener.listen(BACKLOG)  # now: two servers can bind one port at the same time, and only one can listen
        except OSError as error:
            raise StartError(_listen_error(settings, error)) from None
        yield listener


def _listen_error(settings: Settings, error: OSError) -> str:
    """Why the port can't be had, and what to do."""
    other_port = "choose another port with --port or PERCEPTUNE_PORT"
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} on {settings.host} is in use: end the program that has it, or {other_port}."
    if error.errno == errno.EACCES:
        return f"Port {settings.port} is not for ordinary users: {other_port}, above 1023."
    other_host = "choose another address with --host or PERCEPTUNE_HOST"
    return f"Can't serve on {settings.host} ({error.strerror}): {other_host}."


@contextlib.contextmanager
def _serving(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """The web server runs, in a thread, until the block ends. Raises StartError when it does not start."""
    take_turns_often()
    share_arenas()
    app = create_app(settings)
    collect_garbage_rarely()
    config = uvicorn.Config(
        app, http=Protocol, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise StartError("The server did not start; its log says why.")
        time.sleep(0.01)
    try:
        yield
    finally:
        app.state.broadcaster.end()
        server.should_exit = True
        thread.join(5)

"""Everything that `perceptune up` starts, in the order in which it is needed: database, tables, server, workers."""

import contextlib
import errno
import gc
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvicorn
from sqlalchemy import Engine

from app.config import Settings
from app.db import connect, migrate
from app.embedded_postgres import running
from app.errors import StartError
from app.main import create_app

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
BACKLOG = 2048
MAX_EARLY_ENDS = 5  # a worker that ends so often right after its start won't ever start


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """The settings with the address of a database that runs: the one they name, else the embedded one."""
    if settings.database_url is not None:
        yield settings
        return
    with running(settings.home) as url:
        yield settings.model_copy(update={"database_url": url})


class Service:
    """A running server with its workers. `url` is where it serves."""

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        self._settings = settings
        self._log = log
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._settings.refuse_unsafe_serving()
            listener = undo.enter_context(_listener(self._settings))
            settings = undo.enter_context(database(self._settings))
            assert settings.database_url is not None
            self.engine: Engine = connect(settings.database_url)
            undo.callback(self.engine.dispose)
            migrate(self.engine)
            undo.enter_context(_serving(settings, listener))
            self.url = _url(settings.host, listener)
            self.workers = undo.enter_context(Workers(settings, self._log))
            self._exit = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()


class Workers:
    """The worker processes of this server; one that ends too early is started again."""

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        self._settings = settings
        self._log = log
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._devices = worker_devices(settings)
        self.count = len(self._devices)
        self.failed: str | None = None  # why none can be started

    def __enter__(self) -> Self:
        for index, device in enumerate(self._devices):
            thread = threading.Thread(target=self._keep, args=(index, device), name=f"worker-{index}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for process in list(self._processes.values()):
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        for process in list(self._processes.values()):
            if process.poll() is None:
                logger.warning("worker %d does not end; killed", process.pid)
                process.kill()
                process.wait()

    def _keep(self, index: int, device: str | None) -> None:
        early_ends = 0
        while not self._leaving.is_set():
            started = time.monotonic()
            process = self._processes[index] = self._start(device)
            if self._leaving.is_set():
                process.terminate()
            code = process.wait()
            if self._leaving.is_set():
                return
            early_ends = early_ends + 1 if time.monotonic() - started < 10 else 0
            logger.warning("worker %d ended with exit code %d", process.pid, code)
            if early_ends == MAX_EARLY_ENDS:
                self.failed = f"a worker ended {early_ends} times right after its start, exit code {code}"
                logger.error(self.failed)
                return
            self._leaving.wait(min(2**early_ends, 30))

    def _start(self, device: str | None) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "DATABASE_URL": self._settings.database_url or "",
            "PERCEPTUNE_HOME": str(self._settings.home),
            "PERCEPTUNE_LEASE_SECONDS": str(self._settings.lease_seconds),
        }
        if device is not None:
            environment["PERCEPTUNE_DEVICE"] = device
        command = [sys.executable, "-m", "worker", "--parent", str(os.getpid()), "--siblings", str(self.count)]
        # a session of its own: Ctrl-C reaches us alone, and we tell the workers
        with contextlib.ExitStack() as files:
            log = None if self._log is None else files.enter_context(self._log.open("ab"))
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stderr=log, stdout=log, start_new_session=True
            )


def worker_devices(settings: Settings) -> list[str | None]:
    """The device of each worker to start; None leaves the choice to it."""
    if settings.workers is not None:
        return [settings.device] * settings.workers
    if settings.device is not None and settings.device != "cpu":
        return [settings.device]
    gpus = 0 if settings.device == "cpu" else _gpu_count()
    return [f"cuda:{index}" for index in range(gpus)] or [settings.device] * len(os.sched_getaffinity(0))


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _gpu_count() -> int:
    """NVIDIA's GPUs here; asked without torch, which the server does not import."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


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
            raise StartError(_no_port(settings, error)) from None
        yield listener


def _no_port(settings: Settings, error: OSError) -> str:
    other = "choose another port with --port or PERCEPTUNE_PORT"
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} on {settings.host} is in use: end the program that has it, or {other}."
    if error.errno == errno.EACCES:
        return f"Port {settings.port} is not for ordinary users: {other}, above 1023."
    other = "choose another address with --host or PERCEPTUNE_HOST"
    return f"Can't serve on {settings.host} ({error.strerror}): {other}."


@contextlib.contextmanager
def _serving(settings: Settings, listener: socket.socket) -> Iterator[None]:
    # a chart of a large sweep is tens of thousands of small objects: looking through them for each 700 new ones, as
    # Python does, takes as long as all the rest
    gc.set_threshold(100_000, 20, 100)
    app = create_app(settings)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
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
        app.state.live.end()
        server.should_exit = True
        thread.join(5)


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"

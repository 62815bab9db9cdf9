"""The server process of a data folder: started, asked whether it answers, and stopped."""

import hashlib
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from app.errors import StartError
from app.service.postgres.account import PostgresAccount, refuse_foreign
from app.service.postgres.cluster import check_version, make_cluster
from app.service.postgres.locks import EXCLUSIVE_NOW, locked
from app.service.postgres.messages import first_error
from app.service.postgres.programs import programs_folder
from app.service.postgres.settings import DATABASE, FOLDER, PORT, ROLE

START_SECONDS = 60.0
STOP_SECONDS = 20.0  # of a friendly stop; then as long for a rough one, from which the next start recovers
POLL_SECONDS = 0.03
MAX_LOG_BYTES = 10 * 2**20
MAX_SOCKET_BYTES = 100  # Linux takes 107, macOS 103

logger = logging.getLogger(__name__)


class Postmaster:
    """The one server of a data folder, as one process sees it; any process may start and stop it."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.folder = home.expanduser().resolve() / FOLDER
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.users_lock = self.folder / "users.lock"
        self.change_lock = self.folder / "change.lock"
        self.server_lock = self.folder / "server.lock"
        self.start_offset = 0  # in the log, in bytes: where the last start began
        self.settings = settings
        self.account = PostgresAccount.of_this_process()
        self.sockets = socket_folder(self.folder, self.account.uid)

    @property
    def url(self) -> str:
        """The address for SQLAlchemy."""
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    def prepare(self) -> None:
        """Makes the folder, and sees that it is ours and that the server's user gets there."""
        home = self.folder.parent
        home.mkdir(parents=True, exist_ok=True)
        if self.account.is_foreign:
            refuse_foreign(home)
            self.account.let_in(home)
        self.folder.mkdir(exist_ok=True)
        refuse_foreign(self.folder)
        self.folder.chmod(0o711 if self.account.is_foreign else 0o700)
        self.users_lock.touch(0o600)

    def ensure_running(self) -> None:
        """Returns when the server answers; starts it where nothing of it is left. Call it with the change lock held.

        The one loop also waits for a server that still starts, recovers or stops, and for the last processes of one
        that was killed.
        """
        started, deadline = False, time.monotonic() + START_SECONDS
        while True:
            with suppress(BlockingIOError), locked(self.server_lock, EXCLUSIVE_NOW) as lock:
                if started:
                    raise StartError(f"The embedded Postgres does not start: {self._start_error()} (log: {self.log}).")
                self._start(lock)
                started = True
            connection_error = self._connection_error()
            if connection_error is None:
                return
            if time.monotonic() > deadline:
                raise StartError(f"The embedded Postgres does not answer: {connection_error} (log: {self.log}).")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stops the server and returns when nothing of it is left. Call it with the change lock held."""
        rough_from, sent_number = time.monotonic() + STOP_SECONDS, 0
        while not self.is_down():
            now = time.monotonic()
            if now > rough_from + STOP_SECONDS:
                logger.warning("The embedded Postgres does not stop (log: %s)", self.log)
                return
            number = signal.SIGINT if now < rough_from else signal.SIGQUIT
            if sent_number != number and self._listens():  # so the process id in its file is true
                with suppress(FileNotFoundError, ProcessLookupError):  # unless it went by itself just now
                    os.kill(self._process_id(), number)
                sent_number = number
            time.sleep(POLL_SECONDS)
        with suppress(OSError):
            self.sockets.rmdir()

    def is_down(self) -> bool:
        """Whether no process of the server is left."""
        with suppress(BlockingIOError), locked(self.server_lock, EXCLUSIVE_NOW):
            return True
        return False

    def limit_log(self) -> None:
        """Keeps the log and one older log within their size; Postgres appends, so its log can be cut while open."""
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(self.log, self.folder / "log.old")
            os.truncate(self.log, 0)

    def _start(self, lock: int) -> None:
        """Starts the server, which inherits the lock; makes the cluster where there is none."""
        programs = programs_folder(self.folder, self.account)
        if not self.data.exists():
            make_cluster(self.data, programs, self.account, lock)
        check_version(self.data)
        self.account.make_private(self.sockets)
        self.limit_log()
        # nothing of the server is left, so these are stale, even when their number is that of a living process again
        for stale in (self.data / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)
        sockets = '"{}"'.format(str(self.sockets).replace('"', '""'))
        settings = {**self.settings, "unix_socket_directories": sockets}
        command = [str(programs / "postgres"), "-D", str(self.data), *(f"-c{k}={v}" for k, v in settings.items())]
        with self.log.open("ab") as log:
            self.start_offset = log.tell()
            # the shell leaves at once and init adopts the server: it outlives us and is nobody's zombie
            shell = ["/bin/sh", "-c", '"$@" &', "sh", *command]
            self.account.run(shell, stdout=log, stderr=log, pass_fds=[lock], cwd=self.folder)

    def _connection_error(self) -> str | None:
        """Why the server does not answer yet, or None; a server that answers has our database."""
        address = psycopg.conninfo.make_conninfo(host=str(self.sockets), port=PORT, user=ROLE, dbname="postgres")
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if row is None:
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

    def _start_error(self) -> str:
        """The first error that Postgres logged since the last start."""
        with self.log.open("rb") as log:
            log.seek(self.start_offset)
            return first_error(log.read())


def socket_folder(folder: Path, uid: int) -> Path:
    """The socket's folder, the same for every process: below the data folder, or in /tmp where that is too long."""
    near = folder / "socket"
    if len(os.fsencode(near)) + len(f"/.s.PGSQL.{PORT}") <= MAX_SOCKET_BYTES:
        return near
    return Path("/tmp") / f"perceptune-{uid}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"

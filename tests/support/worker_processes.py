"""Worker processes, started as `perceptune up` starts them, or forked from one that has imported everything."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, select, text

from app.db.engine import transaction
from app.db.tables import Worker
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

# importing torch takes seconds: this process does it once, and forks a worker for each line that it reads
NURSERY = """
import json, os, signal, sys
import sklearn.datasets
import worker.__main__, worker.loop
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        variables, log = json.loads(line)
        os.environ.update(variables)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        sys.argv[1:] = []
        worker.__main__.main()
        os._exit(0)
    print(child, flush=True)
"""


def environment(url: str, home: Path, lease_seconds: float = 5) -> dict[str, str]:
    ours = {"DATABASE_URL": url, "PERCEPTUNE_HOME": str(home), "PERCEPTUNE_LEASE_SECONDS": f"{lease_seconds:g}"}
    return os.environ | ours | {"PERCEPTUNE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}


@contextmanager
def worker_process(variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One `python -m worker`, killed at the end if it still runs; what it says goes to `log`."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "worker"]
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stderr=output)
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            process.kill()


class Nursery:
    """Forks workers within milliseconds; all of them are gone when the block ends."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(variables or {})
        self.pids: list[int] = []

    def __enter__(self) -> Self:
        command, pipe = [sys.executable, "-c", NURSERY], subprocess.PIPE
        variables = os.environ | {"OMP_NUM_THREADS": "1"} | self._variables
        self._process = subprocess.Popen(command, cwd=ROOT, env=variables, stdin=pipe, stdout=pipe, text=True)
        assert self._answer() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_all()
        self._process.communicate(timeout=60)

    def worker(self, variables: Mapping[str, str], log: Path) -> int:
        """The process id of a new worker; what it says goes to `log`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([dict(variables), str(log)]) + "\n")
        self._process.stdin.flush()
        self.pids.append(int(self._answer()))
        return self.pids[-1]

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill_all(self) -> None:
        for pid in list(self.pids):
            self.kill(pid)

    def kill(self, pid: int) -> None:
        """kill -9, whatever it is doing."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), 5)
        self.pids = [living for living in self.pids if living != pid]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be asked for its exit code does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def worker_row(engine: Engine, pid: int) -> Worker | None:
    """What the worker has registered, None before that."""
    with transaction(engine) as session:
        return session.scalar(select(Worker).where(Worker.pid == pid))


def open_transactions(engine: Engine) -> int:
    """How many transactions others have open in this database."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with transaction(engine) as session:
        return int(session.execute(text(f"{statement} AND (xact_start IS NOT NULL OR state <> 'idle')")).scalar_one())

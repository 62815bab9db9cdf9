"""Worker processes, forked from one that has imported everything."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from sqlalchemy import Engine, select, text

from app.db.engine import transaction
from app.db.tables import Worker
from tests.support.forking import Child, Parent, shared_parent


def environment(url: str, home: Path, lease_seconds: float = 5) -> dict[str, str]:
    ours = {"DATABASE_URL": url, "PERCEPTUNE_HOME": str(home), "PERCEPTUNE_LEASE_SECONDS": f"{lease_seconds:g}"}
    return os.environ | ours | {"PERCEPTUNE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}


@contextmanager
def worker_process(variables: Mapping[str, str], log: Path) -> Iterator[Child]:
    """One worker, killed at the end if it still runs; what it says goes to `log`."""
    process = shared_parent().fork("worker", [], variables, log)
    try:
        yield process
    finally:
        process.kill()


class Nursery:
    """Workers by their process ids; all of them are gone when the block ends."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = variables
        self._workers: dict[int, Child] = {}

    def __enter__(self) -> Self:
        self._parent = shared_parent() if self._variables is None else Parent(self._variables)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()
        if self._variables is not None:
            self._parent.end()

    @property
    def pids(self) -> list[int]:
        """Of the workers that were not killed."""
        return [*self._workers]

    def worker(self, variables: Mapping[str, str], log: Path) -> int:
        """The process id of a new worker; what it says goes to `log`."""
        child = self._parent.fork("worker", [], variables, log)
        self._workers[child.pid] = child
        return child.pid

    def kill_all(self) -> None:
        for pid in self.pids:
            self.kill(pid)

    def kill(self, pid: int) -> None:
        """kill -9, whatever it is doing."""
        self._workers.pop(pid).kill()


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

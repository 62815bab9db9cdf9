"""What a trial has Postgres write: `python -m benchmarks.size.written`.

One simulated worker claims 64 trials, records some epochs of each one by one, is heard of, and finishes them, without
the training, over and over. For each fillfactor of the table of trials there is a database in one Postgres; they take
turns. Bytes of the write-ahead log are those of a trial, milliseconds of processors, the worker's and Postgres', those
of a call; `in place` is the share of the updates of trials that wrote to no index. Pages that are written whole, as
each is once after a checkpoint, are left out unless they are asked for.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from app import queue
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.queue.claims import ClaimedTrial
from app.queue.progress import EpochPoint
from app.service.postgres.server import running
from benchmarks.fleet.filling import fill
from benchmarks.fleet.workers import LEASE_SECONDS, Plan, SimulatedWorker
from benchmarks.report import table
from benchmarks.size.filling import new_database
from benchmarks.size.processor import postmaster, processor_seconds

OPTIONS = {"checkpoint_timeout": "1h", "max_wal_size": "8GB"}


@dataclass(frozen=True)
class Counts:
    """What Postgres has counted of a database; of two the difference is what was done between them."""

    trials: float = 0
    statements: float = 0
    commits: float = 0
    log_bytes: float = 0
    updates: float = 0
    updates_in_place: float = 0
    seconds: float = 0

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*(mine - its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


class Arm:
    """One database with a worker on it."""

    def __init__(self, engine: Engine, fillfactor: int, trials: int, sweeps: int, beside: int) -> None:
        self.engine, self.fillfactor = engine, fillfactor
        self._trials = self._sent = self._committed = self._sweep_id = 0
        self._claimed: list[ClaimedTrial] = []
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE trials SET (fillfactor = {fillfactor})"))
        fill(engine, sweeps, trials)
        with engine.begin() as connection:
            connection.execute(_OTHERS, {"count": beside})
        self._worker = SimulatedWorker(engine, "machine", Plan(1, 1))
        event.listen(engine, "after_cursor_execute", self._count_statement)
        event.listen(engine, "commit", self._count_commit)

    def _count_statement(self, *_: Any) -> None:
        self._sent += 1

    def _count_commit(self, connection: Connection) -> None:
        self._committed += 1
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        self._sent -= 1

    def counts(self, watcher: Connection, postmaster_pid: int) -> Counts:
        """By a connection of its own to the database."""
        log_bytes, updates, in_place = watcher.execute(_COUNTS).one()
        seconds = processor_seconds(postmaster_pid)
        return Counts(self._trials, self._sent, self._committed, log_bytes, updates, in_place, seconds)

    def turn(self, records: int) -> Iterator[tuple[str, Callable[[], object]]]:
        """The calls of a turn, by name."""
        yield "claim", self._claim
        for epoch in range(1, records + 1):
            yield "record", partial(self._record, epoch)
        yield "heartbeat", self._heartbeat
        yield "finish", self._finish

    def _claim(self) -> None:
        claimed = self._worker.claim()
        assert claimed is not None, "nothing is left to claim: more trials are needed"
        self._sweep_id, self._claimed = claimed
        self._trials += len(self._claimed)

    def _record(self, epoch: int) -> None:
        points = [EpochPoint(trial.lease.trial_id, 0, epoch, 1.0, 0.5, 1.0, 0.5, 0.1) for trial in self._claimed]
        with transaction(self.engine) as session:
            epochs_done = {trial.lease: epoch for trial in self._claimed}
            self._trials += len(queue.record(session, self._sweep_id, epochs_done, points, LEASE_SECONDS))

    def _heartbeat(self) -> None:
        leases = [trial.lease for trial in self._claimed]
        with transaction(self.engine) as session:
            self._trials += len(queue.heartbeat(session, self._worker.id, leases, LEASE_SECONDS))

    def _finish(self) -> None:
        self._trials += self._worker.finish(self._sweep_id, self._claimed)

    def megabytes(self) -> tuple[float, float]:
        """Of the table of trials and of its indexes."""
        with self.engine.connect() as connection:
            size, indexes = connection.execute(_SIZES).one()
        return size / 1e6, indexes / 1e6


HEADER = ["fillfactor", "call", "trials", "statements", "commits", "bytes of log a trial", "in place", "ms a call"]


def row(arm: str, call: str, spent: Sequence[Counts]) -> list[str]:
    """A row of the table, of one kind of call: medians, and the share of all its updates."""
    updates = sum(counts.updates for counts in spent)
    in_place = sum(counts.updates_in_place for counts in spent)
    return [
        arm,
        call,
        *(
            f"{median(values):.0f}"
            for values in zip(*((c.trials, c.statements, c.commits) for c in spent), strict=True)
        ),
        f"{median(counts.log_bytes / counts.trials for counts in spent):,.0f}",
        f"{in_place / updates:.0%}" if updates else "",
        f"{1e3 * median(counts.seconds for counts in spent):.1f}",
    ]


def measure(
    arms: Sequence[Arm], turns: int, records: int, postmaster_pid: int
) -> Mapping[tuple[int, str], list[Counts]]:
    """What each call came to, by fillfactor and name, after ten turns in which statements are planned."""
    spent: dict[tuple[int, str], list[Counts]] = defaultdict(list)
    with ExitStack() as exit:
        watchers = [exit.enter_context(_watching(arm.engine)) for arm in arms]
        for turn in range(turns + 10):
            for arm, watcher in zip(arms, watchers, strict=True):
                for name, call in arm.turn(records):
                    before = arm.counts(watcher, postmaster_pid)
                    call()
                    after = arm.counts(watcher, postmaster_pid)
                    if turn >= 10:
                        spent[arm.fillfactor, name].append(after - before)
    return spent


@contextmanager
def _watching(engine: Engine) -> Iterator[Connection]:
    other = connect(engine.url.render_as_string(hide_password=False))
    with other.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    other.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.written", description=__doc__)
    parser.add_argument("--fillfactors", type=int, nargs="+", default=[100, 90, 80])
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--sweeps", type=int, default=4)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--records", type=int, default=6, help="in a turn")
    parser.add_argument("--beside", type=int, default=0, help="so many other workers are signed on")
    parser.add_argument("--whole-pages", action="store_true", help="those after a checkpoint are counted as well")
    arguments = parser.parse_args()
    options = OPTIONS | {"full_page_writes": "on" if arguments.whole_pages else "off"}
    with tempfile.TemporaryDirectory(prefix="perceptune-written.") as folder, ExitStack() as exit:
        Path(folder).chmod(0o755)
        url = exit.enter_context(running(Path(folder), options))
        arms = []
        for fillfactor in arguments.fillfactors:
            engine = connect(new_database(url, f"written_{fillfactor}"))
            exit.callback(engine.dispose)
            migrate(engine)
            arms.append(Arm(engine, fillfactor, arguments.trials, arguments.sweeps, arguments.beside))
        sizes = [arm.megabytes() for arm in arms]
        begin = time.monotonic()
        spent = measure(arms, arguments.turns, arguments.records, postmaster(Path(folder)))
        print(table(HEADER, [row(str(arm), call, counts) for (arm, call), counts in spent.items()]))
        for arm, (size, indexes) in zip(arms, sizes, strict=True):
            print(
                f"\nfillfactor {arm.fillfactor}: trials {size:.1f} MB, their indexes {indexes:.1f} MB; afterwards",
                end=" ",
            )
            print("{:.1f} and {:.1f} MB".format(*arm.megabytes()))
        print(f"\n{time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.1f}")


_COUNTS = text("""
    SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bigint), n_tup_upd, n_tup_hot_upd
    FROM pg_stat_user_tables WHERE relname = 'trials'
""")
_OTHERS = text("""
    INSERT INTO workers (id, host, pid, device, threads, memory, speed, state, last_seen)
    SELECT gen_random_uuid(), 'host ' || n / 8, n, 'cpu', 2, 17179869184, 1e9, 'training', now() + interval '1 day'
    FROM generate_series(1, :count) AS n
""")
_SIZES = text("SELECT pg_table_size('trials'), pg_indexes_size('trials')")


if __name__ == "__main__":
    main()

"""How the tables grow while sweeps are posted, trained and deleted: sizes and dead rows, looked at over and over."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.sweeps import deletion
from benchmarks.fleet.workers import Plan, work
from benchmarks.report import table

WORKERS = 8
TRIALS = 5_000  # of a sweep that is posted
LOOK_SECONDS = 1.0
TABLES = ("trials", "runs", "epochs")
HEADER = [
    "minute",
    "trained",
    "posted",
    "deleted",
    "to clear",
    *(f"{name}{what}" for name in TABLES for what in (", MB", ", indexes", ", dead")),
    "load",
]


@dataclass(frozen=True)
class Size:
    """What a table takes on the disk, and how many of its rows are dead."""

    megabytes: float
    megabytes_of_indexes: float
    dead: int


@dataclass
class Watch:
    """What has come and gone, and what was seen of the tables meanwhile: a row a look."""

    posted: int = 0
    deleted: int = 0
    rows: list[list[str]] = field(default_factory=list)

    def look(self, engine: Engine, minute: float) -> None:
        with transaction(engine) as session:
            trained, uncleared = session.scalar(_TRAINED), session.scalar(_UNCLEARED)
        sizes = table_sizes(engine)
        cells = [f"{minute:.0f}", f"{trained:,}", f"{self.posted * TRIALS:,}", f"{self.deleted * TRIALS:,}"]
        cells += [f"{uncleared:,}", *(cell for name in TABLES for cell in _cells(sizes[name]))]
        self.rows.append([*cells, f"{os.getloadavg()[0]:.1f}"])


def churn(engine: Engine, url: str, seconds: float, pace: float, every: float) -> str:
    """Lets workers train while sweeps come and go: a row every so many seconds.

    A sweep is posted, and the oldest one that has ended is deleted, for as many trials as were trained: the tables stay
    as large as they are but for what Postgres can't use again. The server that runs on the database clears away what is
    deleted.
    """
    watch = Watch()
    watch.look(engine, 0)
    with _coming_and_going(engine, watch, every):
        work(url, Plan(WORKERS, seconds, pace))
    return table(HEADER, watch.rows)


@contextmanager
def _coming_and_going(engine: Engine, watch: Watch, every: float) -> Iterator[None]:
    """Posts sweeps like the newest one, deletes the oldest one, and looks, while the block runs."""
    leaving, begin = threading.Event(), time.monotonic()

    def come_and_go() -> None:
        while not leaving.wait(LOOK_SECONDS):
            with transaction(engine) as session:
                trained = session.scalars(_TRAINED).one()
            while trained > watch.posted * TRIALS:
                _post(engine)
                watch.posted += 1
                watch.deleted += _delete_oldest(engine)
            if time.monotonic() - begin >= every * len(watch.rows):
                watch.look(engine, (time.monotonic() - begin) / 60)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def _post(engine: Engine) -> None:
    with transaction(engine) as session:
        sweep = session.scalars(_NEW_SWEEP).one()
        session.execute(_NEW_TRIALS, {"sweep": sweep, "trials": TRIALS})


def _delete_oldest(engine: Engine) -> bool:
    """Whether there was one that has ended."""
    with transaction(engine) as session:
        oldest = session.scalars(_OLDEST).one()
        if oldest is not None:
            deletion.delete(session, oldest)
    return oldest is not None


def table_sizes(engine: Engine) -> Mapping[str, Size]:
    """By the names of the tables."""
    with transaction(engine) as session:
        rows = session.execute(_SIZES, {"tables": list(TABLES)})
        return {name: Size(size / 1e6, indexes / 1e6, dead) for name, size, indexes, dead in rows}


def _cells(size: Size) -> list[str]:
    return [f"{size.megabytes:.0f}", f"{size.megabytes_of_indexes:.0f}", f"{size.dead:,}"]


_NEW_SWEEP = text("""
    INSERT INTO sweeps (name, task, dataset, split, space, sampler, seeds, seed, metric, direction)
    SELECT name, task, dataset, split, space, sampler, seeds, seed, metric, direction FROM sweeps
    ORDER BY id DESC LIMIT 1 RETURNING id
""")
_NEW_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total, configuration)
    SELECT :sweep, n, CAST('{"hidden_units": ' || 1 + n % 64 || ', "learning_rate": 0.5, "epochs": 22}' AS json),
           50000 + n % 64, 22, md5(:sweep || '/' || n)
    FROM generate_series(0, :trials - 1) AS n
""")
_OLDEST = text("SELECT min(id) FROM sweeps WHERE state = 'completed'")
_TRAINED = text("SELECT CAST(coalesce(sum(trials_done), 0) AS bigint) FROM workers")
_UNCLEARED = text("SELECT count(*) FROM trials WHERE sweep_id IN (SELECT sweep_id FROM deleted_sweeps)")
_SIZES = text("""
    SELECT relname, pg_table_size(relid), pg_indexes_size(relid), n_dead_tup
    FROM pg_stat_user_tables WHERE relname = ANY(:tables)
""")

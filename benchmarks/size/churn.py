"""How the tables grow while sweeps are trained, posted and deleted: sizes before and after, and what vacuum left."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.sweeps import deletion
from benchmarks.fleet.workers import Plan, work
from benchmarks.report import table

WORKERS = 8
TRIALS = 5_000  # of a sweep that is posted
POST_SECONDS = 5.0  # a sweep is posted, and the oldest one that has ended is deleted
TABLES = ("sweeps", "trials", "runs", "epochs")


def churn(engine: Engine, url: str, seconds: float) -> str:
    """Lets workers train in two halves while sweeps come and go: their pace, and the sizes of the tables.

    The server that runs on the database clears away what is deleted.
    """
    sizes = [_sizes(engine)]
    pace = []
    with _coming_and_going(engine) as count:
        for _ in range(2):
            tally = work(url, Plan(WORKERS, seconds / 2))
            pace.append(f"{tally.finished / seconds * 2:.0f}")
            sizes.append(_sizes(engine))
        with transaction(engine) as session:
            uncleared = session.scalars(_UNCLEARED).one()
    header = ["table", *(f"{what} {when}" for what in ("MB", "indexes MB") for when in ("before", "half-way", "after"))]
    rows = [
        [
            name,
            *(f"{size[name][place] / 1e6:.0f}" for place in (0, 1) for size in sizes),
            f"{sizes[-1][name][2]:,}",
        ]
        for name in TABLES
    ]
    facts = (
        f"trials a second in each half: {', '.join(pace)}; sweeps posted and deleted: {count[0]}, each of {TRIALS:,} "
    )
    facts += f"trials, of which {uncleared:,} were still to be cleared away"
    return f"{facts}\n\n{table([*header, 'dead rows after'], rows)}"


@contextmanager
def _coming_and_going(engine: Engine) -> Iterator[list[int]]:
    """Posts sweeps like the newest one and deletes the oldest, while the block runs; counts them."""
    leaving, count = threading.Event(), [0]

    def come_and_go() -> None:
        while not leaving.wait(POST_SECONDS):
            with transaction(engine) as session:
                sweep = session.scalars(_NEW_SWEEP).one()
                session.execute(_NEW_TRIALS, {"sweep": sweep, "trials": TRIALS})
            with transaction(engine) as session:
                oldest = session.scalars(_OLDEST).one()
                if oldest is not None:
                    deletion.delete(session, oldest)
            count[0] += 1

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        yield count
    finally:
        leaving.set()
        thread.join()


def _sizes(engine: Engine) -> dict[str, tuple[int, int, int]]:
    """Bytes of each table and of its indexes, and the rows that are dead in it."""
    with transaction(engine) as session:
        rows = session.execute(_SIZES, {"tables": list(TABLES)})
        return {name: (size, indexes, dead) for name, size, indexes, dead in rows}


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
_UNCLEARED = text("SELECT count(*) FROM trials WHERE sweep_id IN (SELECT sweep_id FROM deleted_sweeps)")
_SIZES = text("""
    SELECT relname, pg_table_size(relid), pg_indexes_size(relid), n_dead_tup
    FROM pg_stat_user_tables WHERE relname = ANY(:tables)
""")

"""Fills a database with sweeps, their trials, runs and learning curves, by SQL alone and without checks."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from app.db.engine import connect, lift_limits

EPOCHS = 22  # of a trial that has ended: 20,000,000 of a million trials, a tenth of which wait
LIVE = 5  # every so manieth sweep has half of its trials waiting, and the last one


@dataclass(frozen=True)
class Sizes:
    """What was stored, and how long that took."""

    sweeps: int
    trials: int
    epochs: int
    gigabytes: float
    seconds: float


def new_database(url: str, name: str) -> str:
    """The address of a new database beside this one."""
    engine = connect(url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return engine.url.set(database=name).render_as_string(hide_password=False)


def fill(engine: Engine, sweeps: int, trials: int) -> Sizes:
    """Stores so many sweeps with so many trials each, of which a fifth goes on."""
    begin = time.monotonic()
    with engine.begin() as connection:
        lift_limits(connection)
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        statements = _drop_indexes(connection)
        connection.execute(_SWEEPS, {"sweeps": sweeps, "live": LIVE})
        connection.execute(_TRIALS, {"trials": trials})  # of which triggers keep the totals
        # no foreign key is checked: all rows are made here
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(_RUNS)
        connection.execute(_EPOCHS, {"epochs": EPOCHS})
        for statement in statements:
            connection.execute(text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
        rows = connection.execute(_SIZES).one()
    return Sizes(rows.sweeps, rows.trials, rows.epochs, rows.size / 1e9, time.monotonic() - begin)


def _drop_indexes(connection: Connection) -> list[str]:
    """Drops what a large table is quicker to fill without; gives the statements that make it again."""
    statements = []
    for table, name, definition in connection.execute(_CONSTRAINTS).all():
        connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        statements.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for name, definition in connection.execute(_INDEXES).all():
        connection.execute(text(f"DROP INDEX {name}"))
        statements.append(definition)
    return statements


_CONSTRAINTS = text("""
    SELECT CAST(conrelid AS regclass), conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid IN ('epochs'::regclass, 'runs'::regclass) AND contype = 'p'
""")
_INDEXES = text("""
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'trials' AND indexname NOT IN (SELECT conname FROM pg_constraint)
""")
_SWEEPS = text("""
    INSERT INTO sweeps (name, task, dataset, split, space, sampler, seeds, seed, metric, direction, scored, state,
                        created_at, started_at, finished_at)
    SELECT 'size ' || n, 'train_mlp', 'digits', 'holdout',
           '{"hidden_units": {"low": 1, "high": 64}, "learning_rate": {"low": 0.01, "high": 1.0, "log": true},
             "epochs": 22}',
           '{"name": "random"}', 1, 1, 'val_accuracy', 'maximize', true,
           CAST(CASE WHEN n % :live = 0 OR n = :sweeps THEN 'running' ELSE 'completed' END AS sweep_state),
           now() - make_interval(hours => CAST(:sweeps AS int) - n), now() - interval '1 hour',
           CASE WHEN n % :live = 0 OR n = :sweeps THEN NULL ELSE now() - make_interval(hours => :sweeps - n) END
    FROM generate_series(1, :sweeps) AS n
""")
_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total, configuration, state, value, attempt, epochs_done,
                        started_at, finished_at)
    SELECT s.id, n,
           CAST('{"hidden_units": ' || 1 + n % 64 || ', "learning_rate": 0.' || 1000 + n || ', "epochs": 22}' AS json),
           50000 + n % 64, 22, md5(s.id || '/' || n),
           CAST(CASE WHEN waits THEN 'waiting' ELSE 'complete' END AS trial_state),
           CASE WHEN NOT waits THEN random() END, CASE WHEN waits THEN 0 ELSE 1 END, CASE WHEN waits THEN 0 ELSE 22 END,
           CASE WHEN NOT waits THEN s.started_at END, CASE WHEN NOT waits THEN s.started_at + interval '10 seconds' END
    FROM sweeps s, generate_series(0, :trials - 1) AS n,
         LATERAL (SELECT s.state = 'running' AND n % 2 = 1 AS waits) AS half
    ORDER BY s.id, n
""")
_RUNS = text("""
    INSERT INTO runs (trial_id, seed, state, value, seconds)
    SELECT id, 0, 'complete', value, 2 FROM trials WHERE state = 'complete'
""")
_EPOCHS = text("""
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
    SELECT t.id, 0, e, 2.3 / e, t.value * e / :epochs, 2.4 / e, t.value * e / :epochs, 0.1
    FROM trials t, generate_series(1, :epochs) AS e WHERE t.state = 'complete' ORDER BY t.id, e
""")
_SIZES = text("""
    SELECT (SELECT count(*) FROM sweeps) AS sweeps, (SELECT count(*) FROM trials) AS trials,
           (SELECT count(*) FROM epochs) AS epochs, pg_database_size(current_database()) AS size
""")

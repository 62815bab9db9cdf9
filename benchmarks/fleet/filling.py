"""Fills a database with sweeps whose trials wait, with parameters, so that only the queue is at work, or without."""

from sqlalchemy import Engine, text

from app.db.engine import transaction

_EMPTY = text("TRUNCATE sweeps, trials, workers CASCADE")
_SWEEPS = text("""
    INSERT INTO sweeps (name, task, dataset, split, space, sampler, seeds, seed, metric, direction, priority)
    SELECT 'fleet ' || n, 'train_mlp', 'digits', 'holdout',
           '{"hidden_units": {"low": 1, "high": 64}, "learning_rate": {"low": 0.001, "high": 1}, "epochs": 3}',
           json_build_object('name', CAST(:sampler AS text)), 1, 1, 'val_accuracy', 'maximize',
           CASE WHEN n <= :preferred THEN 1 ELSE 0 END
    FROM generate_series(1, :sweeps) AS n
""")
_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total, configuration)
    SELECT s.id, n, CAST('{"hidden_units": ' || 1 + n % 64 || ', "learning_rate": 0.' || n || ', "epochs": 3}' AS json),
           50000 + n % 64, 3, md5(s.id || '/' || n)
    FROM sweeps s, generate_series(0, :trials - 1) AS n
""")
_TRIALS_TO_ASK_FOR = text("""
    INSERT INTO trials (sweep_id, number) SELECT s.id, n FROM sweeps s, generate_series(0, :trials - 1) AS n
""")


def fill(engine: Engine, sweeps: int, trials: int, preferred: int = 0, sampler: str = "") -> None:
    """So many sweeps in place of all others, with so many trials together; the first ones are of a higher priority."""
    with transaction(engine) as session:
        session.execute(_EMPTY)
        session.execute(_SWEEPS, {"sweeps": sweeps, "preferred": preferred, "sampler": sampler or "random"})
        session.execute(_TRIALS_TO_ASK_FOR if sampler else _TRIALS, {"trials": trials // sweeps})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))

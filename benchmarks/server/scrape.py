"""How long a scrape of `/metrics` takes over many trials: `python -m benchmarks.server.scrape --trials 200000`.

A Postgres of its own; the rows are made in SQL: sweeps of 10,000 finished trials, and one that still runs and
has changed before each scrape.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.config import Settings
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.service.postgres.server import running
from app.web.app import create_app

TRIALS_A_SWEEP = 10_000

_SWEEPS = text("""
    INSERT INTO sweeps (name, state, task, dataset, split, space, sampler, seeds, seed, metric, direction, finished_at)
    SELECT 'many', CAST(CASE WHEN n = 1 THEN 'running' ELSE 'completed' END AS sweep_state), 'train_mlp', 'digits',
           'holdout', '{}', '{}', 1, 1, 'val_accuracy', 'maximize', CASE WHEN n > 1 THEN now() END
    FROM generate_series(1, :sweeps) AS n
""")
_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, finished_at)
    SELECT sweeps.id, n,
           CAST(CASE WHEN state = 'running' AND n % 2 = 0 THEN 'waiting' ELSE 'complete' END AS trial_state),
           '{}', 1, 1, CASE WHEN state <> 'running' OR n % 2 = 1 THEN 0.5 END,
           CASE WHEN state <> 'running' OR n % 2 = 1 THEN now() END
    FROM sweeps, generate_series(1, :trials) AS n
""")


def fill(engine: Engine, trials: int) -> None:
    """Stores so many trials."""
    with transaction(engine) as session:
        session.execute(_SWEEPS, {"sweeps": max(trials // TRIALS_A_SWEEP, 1)})
        session.execute(_TRIALS, {"trials": min(trials, TRIALS_A_SWEEP)})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def measure(engine: Engine, client: TestClient, times: int) -> tuple[float, list[float]]:
    """Milliseconds of the first scrape, and of further ones, before each of which the running sweep changes."""
    seconds = []
    for _ in range(times + 1):
        with transaction(engine) as session:
            session.execute(text("UPDATE sweeps SET revision = revision + 1 WHERE state = 'running'"))
        started_at = time.perf_counter()
        client.get("/metrics").raise_for_status()
        seconds.append(1000 * (time.perf_counter() - started_at))
    return seconds[0], seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.scrape", description=__doc__)
    parser.add_argument("--trials", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder)) as url:
            engine = connect(url)
            migrate(engine)
            fill(engine, arguments.trials)
            app = create_app(Settings(home=Path(folder), DATABASE_URL=url))
            with TestClient(app, base_url="http://localhost") as client:
                client.get("/healthz")
                first, later = measure(engine, client, arguments.times)
            engine.dispose()
    print(
        f"{arguments.trials:,} trials: the first scrape {first:.0f} ms, then {statistics.median(later):.0f} ms (median)"
    )


if __name__ == "__main__":
    main()

"""What settling a sweep's rungs costs, for which others wait: `python -m benchmarks.pruning.rungs --trials 10000`."""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, text

from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.lifecycle import rungs
from app.service.postgres.server import running
from benchmarks.fleet.filling import fill

_AT_RUNGS = text("""
    UPDATE trials SET rung_means = CASE WHEN number % 3 = 0 THEN ARRAY[random(), random()] ELSE ARRAY[random()] END,
                      rung = CASE WHEN number % 3 = 0 THEN 1 ELSE 0 END
    WHERE number > 0
""")
_HALVE = text("""UPDATE sweeps SET pruner = '{"name": "successive_halving", "mode": "promotion", "min_resource": 1,
                 "reduction_factor": 3, "min_early_stopping_rate": 0, "bootstrap_count": 0}'""")


def measure(engine: Engine, trials: int, times: int) -> list[float]:
    """Milliseconds of each settling, after a first one has promoted whose turn it is."""
    fill(engine, 1, trials)
    with transaction(engine) as session:
        session.execute(_AT_RUNGS)
        session.execute(_HALVE)
        sweep = session.scalars(text("SELECT id FROM sweeps")).one()
        rungs.settle(session, [sweep])
    spent = []
    for _ in range(times):
        with transaction(engine) as session:
            begin = time.perf_counter()
            rungs.settle(session, [sweep])
            spent.append((time.perf_counter() - begin) * 1e3)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pruning.rungs", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perceptune-rungs.") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder)) as url:
            engine = connect(url)
            migrate(engine)
            for trials in arguments.trials:
                spent = statistics.median(measure(engine, trials, arguments.times))
                print(f"{trials:,} trials at rungs: {spent:.0f} ms (median, load {os.getloadavg()[0]:.1f})")
            engine.dispose()


if __name__ == "__main__":
    main()

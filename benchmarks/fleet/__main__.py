"""The queue under a fleet: trials a second, and how long claims, records and results take.

Simulated workers claim up to 64 trials, record three epochs of each and finish them, without the training, beside a
Postgres of their own. Saturating, each comes again at
once; paced, once in five seconds. `hot` is one sweep, `forty` are forty, `first` are forty of which four have a higher
priority. Times are milliseconds; `clients` and `Postgres` are those of processors for each trial.

What is counted begins after a while: a statement is planned anew the first ten times that a connection sends it, and a
hundred workers have hardly come round twice in a quarter of a minute.
"""

import argparse
import os
import statistics
import tempfile
from itertools import product
from pathlib import Path

from sqlalchemy import Engine

from app.db.engine import connect
from app.db.migrations import migrate
from app.service.postgres.server import running
from benchmarks.fleet.filling import fill
from benchmarks.fleet.waits import reset, statements, waits, watched
from benchmarks.fleet.workers import Plan, Tally, work
from benchmarks.report import table
from benchmarks.server.latency import quantile
from benchmarks.size.processor import postmaster

SWEEPS = {"hot": (1, 0), "forty": (40, 0), "first": (40, 4)}  # how many, and how many of them come first
TRIALS = 160_000
PACE_SECONDS = 5.0
OPTIONS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
HEADER = [
    "sweeps",
    "workers",
    "trials/s",
    "claim p50",
    "p95",
    "record p50",
    "p95",
    "finish p50",
    "p95",
    "fairness",
    "clients",
    "Postgres",
    "load",
]


def row(name: str, plan: Plan, tally: Tally) -> list[str]:
    """A row of the table; fairness is the fewest claims of a sweep over the mean, or what came out of turn."""
    cells = [f"{name}{' paced' if plan.pace else ''}", str(plan.workers), f"{tally.finished / plan.seconds:.0f}"]
    for call in ("claim", "record", "finish"):
        cells += [f"{quantile(tally.spent[call], share):.0f}" for share in (0.5, 0.95)]
    seconds = (tally.client_seconds, tally.postgres_seconds)
    cells += [fairness(name, tally), *(f"{1e3 * spent / max(tally.finished, 1):.2f}" for spent in seconds)]
    return [*cells, f"{os.getloadavg()[0]:.1f}"]


def fairness(name: str, tally: Tally) -> str:
    """Of sweeps of equal priority the fewest claims of one over the mean; else the share of claims out of turn."""
    sweeps, preferred = SWEEPS[name]
    counts = [tally.claims.get(index, 0) for index in sorted(tally.claims)]
    if preferred:
        late = sum(count for sweep, count in tally.claims.items() if sweep >= min(tally.claims) + preferred)
        return f"{late / max(sum(counts), 1):.1%} out of turn"
    if sweeps == 1:
        return ""
    return f"{min(counts) / statistics.mean(counts):.2f}" if len(counts) == sweeps else "0"


def measure(engine: Engine, postmaster_pid: int, name: str, plan: Plan, trials: int, details: int) -> list[str]:
    """One arm."""
    sweeps, preferred = SWEEPS[name]
    fill(engine, sweeps, trials, preferred, plan.sampler)
    reset(engine)
    with watched(engine) as seen:
        tally = work(engine.url.render_as_string(hide_password=False), plan, postmaster_pid)
    if details:
        print(f"\n{name}, {plan}: {waits(seen)}; idle {tally.idle}, errors {dict(tally.errors)}")
        print(statements(engine, details), flush=True)
    return row(name, plan, tally)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32, 100])
    parser.add_argument("--sweeps", choices=SWEEPS, nargs="+", default=list(SWEEPS))
    parser.add_argument("--only", choices=["saturating", "paced"])
    parser.add_argument(
        "--sampler", default="", help="trials have no parameters yet: they are asked of random, tpe ..."
    )
    parser.add_argument("--seconds", type=float, default=12.0, help="counted seconds of each arm")
    parser.add_argument("--settle", type=float, default=30.0, help="seconds before, which are not counted")
    parser.add_argument("--trials", type=int, default=TRIALS, help="in all sweeps together")
    parser.add_argument(
        "--details", type=int, default=0, help="so many statements of each arm, and what was waited for"
    )
    arguments = parser.parse_args()
    paces = {"saturating": [0.0], "paced": [PACE_SECONDS]}.get(arguments.only, [0.0, PACE_SECONDS])
    with tempfile.TemporaryDirectory(prefix="perceptune-fleet.") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder), OPTIONS) as url:
            engine = connect(url)
            migrate(engine)
            rows = []
            for pace, name, workers in product(paces, arguments.sweeps, arguments.workers):
                plan = Plan(workers, arguments.seconds, pace, arguments.sampler, arguments.settle)
                pid = postmaster(Path(folder))
                rows.append(measure(engine, pid, name, plan, arguments.trials, arguments.details))
            engine.dispose()
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()

"""What asking a pruner costs, and what it saves: `python -m benchmarks.pruning` prints the table of docs/pruning.md.

One worker trains a cohort of 64 configurations, each with 3 seeds, through the real queue on a Postgres of its own;
beside them stand trials of earlier cohorts, whose curves a worker reads once, and then keeps.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sqlalchemy import Engine, text

from app import queue
from app.config import Settings
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.db.tables import Sweep
from app.domain.pruning import rules
from app.domain.states import WorkerState
from app.schemas import SweepCreate
from app.search.assignment import fill_in
from app.search.curve_cache import CurveCache
from app.service.postgres.server import running
from app.sweeps import creation
from tests.support.queue_examples import new_worker
from worker.context import Context
from worker.data import datasets
from worker.mlp.split import Split
from worker.train import TrainMLP

TRIALS, SEEDS = 64, 3
PRUNERS: list[Any] = [
    None,
    {"name": "median", "n_startup_trials": 0},
    {"name": "percentile", "n_startup_trials": 0},
    "successive_halving",
    "hyperband",
    {"name": "patient", "wrapped": {"name": "median", "n_startup_trials": 0}},
    {"name": "threshold", "lower": 0.3, "n_warmup_steps": 2},
    {"name": "wilcoxon", "p_threshold": 0.2},
    {"name": "one_epoch", "keep": 8},
]


def body(dataset: str, pruner: Any, epochs: int) -> SweepCreate:
    space = {"hidden_units": 16, "learning_rate": {"low": 0.0003, "high": 1.0, "log": True}, "epochs": epochs}
    given = {"name": "pruning", "dataset": dataset, "space": space, "n_trials": TRIALS, "seeds": SEEDS}
    return SweepCreate.model_validate(given | {"pruner": pruner})


def add_history(engine: Engine, sweep_id: int, trials: int, epochs: int) -> None:
    """Complete trials of earlier cohorts with curves of noise that rises, numbered behind the cohort's."""
    with transaction(engine) as session:
        session.execute(_TRIALS, {"sweep": sweep_id, "first": TRIALS, "last": TRIALS + trials - 1})
        session.execute(_EPOCHS, {"sweep": sweep_id, "first": TRIALS, "seeds": SEEDS, "epochs": epochs})


class Measured(NamedTuple):
    """Seconds of the cohort, of asking meanwhile, and of reading all earlier curves before; trials that were pruned."""

    training: float
    asking: float
    first_read: float
    pruned: int


def measure(engine: Engine, home: Path, pruner: Any, dataset: str, size: tuple[int, int]) -> Measured:
    """One cohort of a worker that knows the earlier curves. `size`: earlier trials and epochs."""
    history, epochs = size
    context = Context(Settings(home=home, DATABASE_URL=str(engine.url)), engine, torch.device("cpu"))
    worker = new_worker(engine)
    with transaction(engine) as session:
        sweep_id = creation.create(session, body(dataset, pruner, epochs)).id
    add_history(engine, sweep_id, history, epochs)
    with transaction(engine) as session:  # as if there were no limit to claims, so that all pruners see one cohort
        session.execute(text("UPDATE sweeps SET pruner = NULL WHERE id = :id"), {"id": sweep_id})
        claimed = queue.claim(session, worker, TRIALS, 60)
        assert claimed is not None
        chosen = body(dataset, pruner, epochs).pruner
    sweep: Sweep = claimed[0]
    sweep.pruner = None if chosen is None else chosen.model_dump(exclude_unset=True)
    object.__setattr__(context, "worker_id", worker)
    trials = fill_in(engine, sweep, claimed[1])
    context.held_leases.take(trial.lease for trial in trials)
    data = datasets.load(dataset, "holdout", home=home, device=torch.device("cpu"))
    split = Split(data.train_x, data.train_y, data.val_x, data.val_y, data.classes)
    curves = CurveCache(engine)
    task = TrainMLP(context, sweep, trials, split, curves)
    start = time.perf_counter()
    if chosen is not None:
        curves.curves_of(sweep, keep_runs=rules.compares_runs(chosen)).refresh(
            {trial.lease.trial_id for trial in trials}
        )
    first_read, start = time.perf_counter() - start, time.perf_counter()
    task.run()
    seconds = time.perf_counter() - start
    with transaction(engine) as session:
        queue.set_worker_state(session, worker, WorkerState.stopped)
        session.execute(text("DELETE FROM sweeps"))
    return Measured(seconds, task.pruner.seconds, first_read, len(task.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--history", type=int, nargs="+", default=[200])
    parser.add_argument("--home", type=Path, default=None, help="where the data set lies")
    given = parser.parse_args()
    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    with running(scratch) as url:
        engine = connect(url)
        migrate(engine)
        print("| pruner | earlier trials | pruned | training s | asking s | share | first read s |")
        print("|---|---|---|---|---|---|---|")
        for history in given.history:
            for pruner in PRUNERS:
                name = pruner if isinstance(pruner, str | None) else pruner["name"]
                found = measure(engine, given.home or scratch, pruner, given.dataset, (history, given.epochs))
                counts = f"{name} | {history:,} | {found.pruned} of {TRIALS}"
                share = f"{found.asking / found.training:.1%}"
                print(f"| {counts} | {found.training:.2f} | {found.asking:.3f} | {share} | {found.first_read:.2f} |")
        engine.dispose()
    shutil.rmtree(scratch, ignore_errors=True)


_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, attempt, started_at, finished_at)
    SELECT :sweep, number, 'complete', '{}', 1, 1, 0.5 + random() / 3, 1, clock_timestamp(), clock_timestamp()
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number
""")
_EPOCHS = text("""
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
    SELECT t.id, seed, epoch, 1, 0.5, 1, t.value * (1 - exp(-epoch / 3.0)) + random() / 20, 0.1
    FROM trials t, generate_series(0, CAST(:seeds AS int) - 1) AS seed,
         generate_series(1, CAST(:epochs AS int)) AS epoch
    WHERE t.sweep_id = :sweep AND t.number >= :first
""")

if __name__ == "__main__":
    main()

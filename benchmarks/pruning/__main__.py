"""What asking a pruner costs, and what it saves: `python -m benchmarks.pruning` prints the table of docs/pruning.md.

One worker trains a cohort of 64 configurations, each with 3 seeds, through the real queue on a Postgres of its own;
beside them stand trials of earlier cohorts, whose curves a worker reads once, and then keeps.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sqlalchemy import Engine, text

from app import queue
from app.config import Settings
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.db.sweep_setups import setup_of
from app.domain.pruning import rules
from app.domain.states import WorkerState
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.schemas import SweepCreate
from app.search.assignment import assign_params
from app.search.curve_cache import CurveCache
from app.service.postgres.server import running
from app.sweeps import creation
from tests.support.queue_examples import new_worker
from tests.support.worker_contexts import context_on
from worker.context import Context
from worker.data import datasets
from worker.legs.train import TrainMLP

TRIALS, SEEDS = 64, 3
CPU = torch.device("cpu")
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


def sweep_body(dataset: str, pruner: Any, epochs: int) -> SweepCreate:
    """The sweep that is posted for one measurement."""
    space = {"hidden_units": 16, "learning_rate": {"low": 0.0003, "high": 1.0, "log": True}, "epochs": epochs}
    body = {"name": "pruning", "dataset": dataset, "space": space, "n_trials": TRIALS, "seeds": SEEDS, "pruner": pruner}
    return SweepCreate.model_validate(body)


def add_history(engine: Engine, sweep_id: int, trials: int, epochs: int) -> None:
    """Complete trials of earlier cohorts with curves of noise that rises, numbered behind the cohort's."""
    with transaction(engine) as session:
        session.execute(_INSERT_TRIALS, {"sweep": sweep_id, "first": TRIALS, "last": TRIALS + trials - 1})
        session.execute(_INSERT_EPOCHS, {"sweep": sweep_id, "first": TRIALS, "seeds": SEEDS, "epochs": epochs})


class Measurement(NamedTuple):
    """What one cohort took, in seconds, and what its pruner did."""

    training: float  # the cohort
    asking: float  # the pruner, within the training
    first_read: float  # all earlier curves, before the training
    pruned_trials: int


def measure(engine: Engine, home: Path, body: SweepCreate, history: int, epochs: int) -> Measurement:
    """One cohort beside so many trials of earlier cohorts, whose curves the worker has read."""
    context = context_on(engine, Settings(home=home, DATABASE_URL=str(engine.url)), new_worker(engine))
    with transaction(engine) as session:
        sweep_id = creation.create(session, body).id
    add_history(engine, sweep_id, history, epochs)
    sweep, trials = claim_cohort(engine, context, sweep_id, body)
    data = datasets.load(body.dataset, "holdout", home=home, device=CPU)
    split = data.training_split()
    curves = CurveCache(context.broker)
    task = TrainMLP(context, sweep, trials, split, curves)
    start = time.perf_counter()
    if body.pruner is not None:
        sweep_curves = curves.curves_of(sweep, keep_runs=rules.compares_runs(body.pruner))
        sweep_curves.refresh({trial.lease.trial_id: trial.number for trial in trials})
    first_read, start = time.perf_counter() - start, time.perf_counter()
    task.run()
    training = time.perf_counter() - start
    with transaction(engine) as session:
        queue.set_worker_state(session, context.broker.worker_id, WorkerState.stopped)
        session.execute(text("DELETE FROM sweeps"))
    return Measurement(training, task.pruner.seconds, first_read, len(task.verdicts))


def claim_cohort(
    engine: Engine, context: Context, sweep_id: int, body: SweepCreate
) -> tuple[SweepSetup, list[ClaimedTrial]]:
    """The sweep and all its trials, claimed as if pruners set no limit, so that all of them see one cohort."""
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET pruner = NULL WHERE id = :id"), {"id": sweep_id})
        claim = queue.claim(session, context.broker.worker_id, TRIALS, 60)
        assert claim is not None
    pruner = None if body.pruner is None else body.pruner.model_dump(exclude_unset=True)
    sweep = replace(setup_of(claim[0]), pruner=pruner)
    trials = assign_params(engine, sweep, claim[1])
    context.held_leases.take(trial.lease for trial in trials)
    return sweep, trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--history", type=int, nargs="+", default=[200], help="trials of earlier cohorts")
    parser.add_argument("--home", type=Path, default=None, help="where the data set lies")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    with running(scratch) as url:
        engine = connect(url)
        migrate(engine)
        print("| pruner | earlier trials | pruned | training s | asking s | share | first read s |")
        print("|---|---|---|---|---|---|---|")
        for history in options.history:
            for pruner in PRUNERS:
                body = sweep_body(options.dataset, pruner, options.epochs)
                measurement = measure(engine, options.home or scratch, body, history, options.epochs)
                print(table_row(body, history, measurement))
        engine.dispose()
    shutil.rmtree(scratch, ignore_errors=True)


def table_row(body: SweepCreate, history: int, measurement: Measurement) -> str:
    """A line of the table."""
    training, asking, first_read, pruned_trials = measurement
    name = "none" if body.pruner is None else body.pruner.name
    counts = f"{name} | {history:,} | {pruned_trials} of {TRIALS}"
    return f"| {counts} | {training:.2f} | {asking:.3f} | {asking / training:.1%} | {first_read:.2f} |"


_INSERT_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, attempt, started_at, finished_at)
    SELECT :sweep, number, 'complete', '{}', 1, 1, 0.5 + random() / 3, 1, clock_timestamp(), clock_timestamp()
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number
""")
_INSERT_EPOCHS = text("""
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
    SELECT t.id, seed, epoch, 1, 0.5, 1, t.value * (1 - exp(-epoch / 3.0)) + random() / 20, 0.1
    FROM trials t, generate_series(0, CAST(:seeds AS int) - 1) AS seed,
         generate_series(1, CAST(:epochs AS int)) AS epoch
    WHERE t.sweep_id = :sweep AND t.number >= :first
""")

if __name__ == "__main__":
    main()

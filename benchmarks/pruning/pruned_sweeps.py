"""How long a whole sweep takes with each pruner, and without: `python -m benchmarks.pruning.pruned_sweeps`.

One worker claims, trains and prunes through the real queue on a Postgres of its own until each sweep has ended, one
sweep after the other, all pruners in turn; told are the medians of the rounds, and how they compare with those of the
pruner that is named first.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from sqlalchemy import Engine, func, select, text

from app.config import Settings
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.db.tables import Trial
from app.domain.states import TrialState
from app.schemas import SweepCreate
from app.search.curve_cache import CurveCache
from app.service.postgres.server import running
from app.sweeps import creation
from benchmarks.report import table
from tests.support.queue_examples import new_worker
from tests.support.worker_contexts import context_on
from worker.context import Context
from worker.data import datasets
from worker.device import devices
from worker.legs.train import TrainMLP
from worker.mlp.split import Split

CPU = torch.device("cpu")
MAX_CLAIM = 64
PRUNERS: dict[str, Any] = {
    "none": None,
    "median": "median",
    "percentile": "percentile",
    "wilcoxon": "wilcoxon",
    "successive_halving": "successive_halving",
    "hyperband": "hyperband",
    "one_epoch, keep 8": {"name": "one_epoch", "keep": 8},
}


class Ended(NamedTuple):
    """A sweep that has ended: what it took, and what became of it."""

    seconds: float  # by the clock
    processor: float  # seconds of the worker's
    claims: int
    epochs: int  # trained, of all runs
    best: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pruning.pruned_sweeps", description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--examples", type=int, default=None, help="to train on; all of them where it is left out")
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--units", default="16", help="a width, or LOW-HIGH, log-uniform")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pruners", nargs="+", default=list(PRUNERS))
    parser.add_argument("--home", type=Path, default=None, help="where the data set lies")
    options = parser.parse_args()
    devices.use_threads(1)
    devices.flush_denormals()
    scratch = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    ended: dict[str, list[Ended]] = {name: [] for name in options.pruners}
    with running(scratch) as url:
        engine = connect(url)
        migrate(engine)
        context = context_on(engine, Settings(home=scratch, DATABASE_URL=url), new_worker(engine))
        split = data(options.dataset, options.home or scratch, options.examples)
        trained(engine, context, split, options, "none")  # once untimed
        for _ in range(options.rounds):
            for name in options.pruners:
                ended[name].append(trained(engine, context, split, options, name))
        engine.dispose()
    shutil.rmtree(scratch, ignore_errors=True)
    print(comparison(ended))


def data(name: str, home: Path, examples: int | None) -> Split:
    """What is trained on, and a fifth as many to validate with where it is not all."""
    split = datasets.load(name, "holdout", home=home, device=CPU).training_split()
    if examples is None:
        return split
    x, y, val_x, val_y = split.train_x, split.train_y, split.val_x, split.val_y
    return split._replace(
        train_x=x[:examples], train_y=y[:examples], val_x=val_x[: examples // 5], val_y=val_y[: examples // 5]
    )


def trained(engine: Engine, context: Context, split: Split, options: argparse.Namespace, pruner: str) -> Ended:
    """A sweep from its post to its end."""
    low, _, high = options.units.partition("-")
    units = {"low": int(low), "high": int(high), "log": True} if high else int(low)
    space = {"hidden_units": units, "learning_rate": {"low": 0.0003, "high": 1.0, "log": True}}
    body = {"name": pruner, "dataset": options.dataset, "space": space | {"epochs": options.epochs}}
    body |= {"n_trials": options.trials, "seeds": options.seeds, "sampler": options.sampler, "pruner": PRUNERS[pruner]}
    with transaction(engine) as session:
        sweep_id = creation.create(session, SweepCreate.model_validate(body)).id
    curves, claims = CurveCache(context.broker), 0
    start, processor = time.perf_counter(), time.process_time()
    while claim := context.broker.claim(MAX_CLAIM, 600, {"device": "cpu"}, is_idle=False):
        trials = context.broker.assign_params(*claim)
        context.held_leases.take(trial.lease for trial in trials)
        TrainMLP(context, claim.sweep, trials, split, curves).run()
        claims += 1
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    with transaction(engine) as session:
        of_sweep = Trial.sweep_id == sweep_id
        epochs = session.scalars(select(func.sum(Trial.epochs_done)).where(of_sweep)).one()
        best = session.scalars(select(func.max(Trial.value)).where(of_sweep, Trial.state == TrialState.complete)).one()
        session.execute(text("DELETE FROM sweeps"))
    return Ended(seconds, processor, claims, int(epochs), float(best or 0))


def comparison(ended: dict[str, list[Ended]]) -> str:
    """A table of the medians; the first pruner is what the others are compared with."""
    first, *_ = ended
    processor = {name: median(sweep.processor for sweep in sweeps) for name, sweeps in ended.items()}
    header = ["pruner", "claims", "epochs", "best", "s", "s of the processor", f"times as long as {first}"]
    rows = [
        [
            name,
            f"{median(sweep.claims for sweep in sweeps):.0f}",
            f"{median(sweep.epochs for sweep in sweeps):,.0f}",
            f"{median(sweep.best for sweep in sweeps):.4f}",
            f"{median(sweep.seconds for sweep in sweeps):.2f}",
            f"{processor[name]:.2f}",
            f"{processor[name] / processor[first]:.2f}",
        ]
        for name, sweeps in ended.items()
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()

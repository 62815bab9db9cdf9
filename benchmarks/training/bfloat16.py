"""What bfloat16 products bring on this processor, and what they cost: `python -m benchmarks.training.bfloat16`.

The same cohorts train with exact products and with those of PERCEPTUNE_BF16, in turns in one process with one thread,
from the same weights and with the same mini-batches. Times are seconds of the processor for 10,240 examples of each
network and a validation on 2,000, medians; accuracies are those after two epochs of all data.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import torch

from app.domain.devices.products import EXACT, Products
from app.domain.runs import Run
from benchmarks.workloads import WORKLOADS, claimed
from worker.data import datasets
from worker.device import devices
from worker.device.hardware import processor
from worker.device.products import products
from worker.mlp.split import Split
from worker.mlp.training import Training

CPU = torch.device("cpu")
KINDS: tuple[Products, ...] = (EXACT, "bfloat16")


class Comparison(NamedTuple):
    """One workload both ways."""

    seconds: dict[Products, float]
    accuracies: dict[Products, list[float]]  # of its networks, in their order


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.bfloat16", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path.home() / ".local/share/perceptune", help="data folder")
    parser.add_argument("--rounds", type=int, default=5, help="of both in turn; medians are told")
    parser.add_argument("--only", nargs="*", help="workloads: W1 W2 W3 W4 W5, or W3/B for W3 with batches of B")
    parser.add_argument("--accuracies", action="store_true", help="also train two epochs of all data")
    options = parser.parse_args()
    devices.use_threads(1)
    devices.flush_denormals()
    data = datasets.load("fashion_mnist", "holdout", home=options.home, device=CPU).training_split()
    print(f"{processor()}, torch {torch.__version__}, one thread")
    print("| networks | exact, s | bfloat16, s | times as fast | largest difference | of their means |")
    print("|---|---|---|---|---|---|")
    for name in options.only or [workload.name for workload in WORKLOADS]:
        print(row(name, compare(cohort(name), data, options.rounds, whole=options.accuracies)), flush=True)


def cohort(name: str) -> list[Run]:
    """What one of two workers claims of a workload, with batches of another size where its name says so."""
    name, _, batch = name.partition("/")
    runs = claimed(next(w for w in WORKLOADS if w.name == name), 2)[0]
    return [replace(run, config=replace(run.config, batch_size=int(batch))) for run in runs] if batch else runs


def compare(runs: Sequence[Run], data: Split, rounds: int, *, whole: bool) -> Comparison:
    """Both ways, in turns."""
    part = data._replace(
        train_x=data.train_x[:10_240], train_y=data.train_y[:10_240], val_x=data.val_x[:2000], val_y=data.val_y[:2000]
    )
    trainings = {kind: Training(runs, part) for kind in KINDS}
    seconds: dict[Products, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind, training in trainings.items():
            start = time.process_time()
            with products(kind):
                training.train_epoch()
            if number:  # the first time is untimed
                seconds[kind].append(time.process_time() - start)
    accuracies = {kind: after_two_epochs(runs, data, kind) if whole else [] for kind in KINDS}
    return Comparison({kind: median(times) for kind, times in seconds.items()}, accuracies)


def after_two_epochs(runs: Sequence[Run], data: Split, kind: Products) -> list[float]:
    """Validation accuracies."""
    training = Training(runs, data)
    with products(kind):
        training.train_epoch()
        results = {result.key: result for result in training.train_epoch()}
    return [results[run.key].val_accuracy or 0.0 for run in runs]


def row(name: str, comparison: Comparison) -> str:
    """A line of the table."""
    exact, rounded = (comparison.seconds[kind] for kind in KINDS)
    pairs = list(zip(*comparison.accuracies.values(), strict=True))
    largest = f"{max(abs(a - b) for a, b in pairs):.4f}" if pairs else ""
    of_means = f"{fmean(b for _, b in pairs) - fmean(a for a, _ in pairs):+.5f}" if pairs else ""
    return f"| {name} | {exact:.2f} | {rounded:.2f} | {exact / rounded:.2f} | {largest} | {of_means} |"


if __name__ == "__main__":
    main()

"""`python -m benchmarks.training.thirty_seeds`: the book's 784-256-10 with thirty seeds, fused and one by one."""

import argparse
from collections.abc import Hashable, Sequence
from statistics import fmean, stdev
from time import perf_counter

import torch

from app.config import load_settings
from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from benchmarks.report import machine
from worker.data import datasets
from worker.mlp.reference.concise import train_concise
from worker.mlp.split import Split
from worker.mlp.training import train

GOAL = 0.001  # a tenth of a point


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.thirty_seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    place = torch.device("cpu")
    data = datasets.load("fashion_mnist", "holdout", home=load_settings().home, device=place)
    split = data.training_split()
    runs = [Run(seed, MLPConfig((256,), 0.1, arguments.epochs), seed) for seed in range(arguments.seeds)]
    start = perf_counter()
    fused = fused_accuracies(runs, split)
    middle = perf_counter()
    alone = plain_accuracies(runs, split)
    end = perf_counter()
    for name, accuracies, seconds in (("fused", fused, middle - start), ("one by one", alone, end - middle)):
        print(f"{name:11} mean {fmean(accuracies):.3%}  standard deviation {stdev(accuracies):.3%}  {seconds:.0f} s")
    gap, largest_gap = abs(fmean(fused) - fmean(alone)), max(abs(a - b) for a, b in zip(fused, alone, strict=True))
    print(f"the means differ by {gap:.4%}, a single seed by {largest_gap:.3%} at most; goal: below {GOAL:.1%}")
    print("; ".join(f"{name}: {words}" for name, words in machine().items()))


def fused_accuracies(runs: Sequence[Run], split: Split) -> list[float]:
    """Validation accuracy of each run after its last epoch, all of them trained as one cohort."""
    last: dict[Hashable, float] = {}
    for results in train(runs, split):
        last |= {result.key: result.val_accuracy or 0.0 for result in results}
    return [last[run.key] for run in runs]


def plain_accuracies(runs: Sequence[Run], split: Split) -> list[float]:
    """The same with nn.Sequential, automatic differentiation and torch.optim, one run after the other."""
    return [list(train_concise(run, split))[-1].val_accuracy or 0.0 for run in runs]


if __name__ == "__main__":
    main()

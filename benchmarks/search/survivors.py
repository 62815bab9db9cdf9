"""What seeds for survivors are worth: `python -m benchmarks.search.survivors [--sweeps 2000]`.

Nothing is trained: true values and runs are drawn, as in `benchmarks.search.choosing`. Each number is what the chosen
configuration truly has, in standard deviations of a run, over the mean of all configurations: with the same seeds for
all of 64 configurations; with as many runs given to survivors of more configurations; and with survivors of 64, for
which fewer runs are needed. The best is chosen by `expected`, and places open as trials end, one by one.
"""

import argparse
from bisect import insort
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from app.domain.comparisons.survivors import FirstResult, next_survivors, places
from app.domain.objectives import Objective
from benchmarks.search.choosing import NOISES, POPULATIONS, expected

CONFIGURATIONS = 64
PLANS = ((1, 3), (2, 6))  # first seeds, and those of survivors
_OBJECTIVE = Objective("val_accuracy")


class Outcome(NamedTuple):
    """The true value of a chosen configuration, and how many runs it took to choose it."""

    truth: float
    runs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=2000, help="of each line of the table")
    sweeps = parser.parse_args().sweeps
    print("| values | noise | seeds | all alike | survivors, as many runs | survivors, as many configurations | runs |")
    print(f"|{'---|' * 7}")
    for population, noise, (first, most) in product(POPULATIONS, NOISES, PLANS):
        alike, as_many_runs, as_many_configurations = compare(population, noise, first, most, sweeps)
        truths = f"{alike.truth:.3f} | {as_many_runs.truth:.3f} | {as_many_configurations.truth:.3f}"
        saved = f"{alike.runs}, {as_many_runs.runs}, {as_many_configurations.runs}"
        print(f"| {population} | {noise} | {first}, then {most} | {truths} | {saved} |", flush=True)


def compare(population: str, noise: str, first: int, most: int, sweeps: int) -> list[Outcome]:
    """The means over so many sweeps: all alike, survivors with as many runs, and of as many configurations."""
    draw = np.random.default_rng(0)
    arms: list[Callable[[np.ndarray, np.ndarray], Outcome]] = [
        lambda truth, values: all_alike(truth[:CONFIGURATIONS], values[:CONFIGURATIONS]),
        lambda truth, values: with_survivors(truth, values, first),
        lambda truth, values: with_survivors(truth[:CONFIGURATIONS], values[:CONFIGURATIONS], first),
    ]
    outcomes: list[list[Outcome]] = []
    count = as_many_runs(CONFIGURATIONS * most, first, most)
    for _ in range(sweeps):
        truth = POPULATIONS[population](draw, count)
        stds = np.exp(NOISES[noise] * draw.standard_normal(count))
        values = truth[:, None] + stds[:, None] * draw.standard_normal((count, most))
        outcomes.append([arm(truth, values) for arm in arms])
    means = np.mean(np.array(outcomes), axis=0)
    return [Outcome(float(truth), round(float(runs))) for truth, runs in means]


def as_many_runs(runs: int, first: int, most: int) -> int:
    """Of how many configurations the survivors can be trained with so many runs."""
    count = runs // first
    while count * first + places(count, is_final=True) * (most - first) > runs:
        count -= 1
    return count


def all_alike(truth: np.ndarray, values: np.ndarray) -> Outcome:
    """All runs of all configurations."""
    return _chosen(truth, values, np.full(len(truth), values.shape[1]))


def with_survivors(truth: np.ndarray, values: np.ndarray, first: int) -> Outcome:
    """The first runs of all configurations, and all runs of those that survive; they end in their order."""
    runs = np.full(len(truth), first)
    best: list[tuple[float, int]] = []
    means = values[:, :first].mean(axis=1)
    survivor_count = 0
    for index in range(len(truth)):
        insort(best, (-float(means[index]), index))
        count = places(index + 1, is_final=index + 1 == len(truth))
        if survivor_count < count:
            results = [_first_result(index, values, first, runs) for _, index in best[:count]]
            survivors = next_survivors(_OBJECTIVE, results, count - survivor_count)
            runs[[result.trial_id for result in survivors]] = values.shape[1]
            survivor_count += len(survivors)
    return _chosen(truth, values, runs)


def _first_result(index: int, values: np.ndarray, first: int, runs: np.ndarray) -> FirstResult:
    first_values = values[index, :first].tolist()
    return FirstResult(index, sum(first_values) / first, dict(enumerate(first_values)), bool(runs[index] > first))


def _chosen(truth: np.ndarray, values: np.ndarray, runs: np.ndarray) -> Outcome:
    """The configuration of which most is expected."""
    is_run = np.arange(values.shape[1]) < runs[:, None]
    means = values.mean(axis=1, where=is_run)
    squares = ((values - means[:, None]) ** 2).sum(axis=1, where=is_run)
    scores = expected(means, squares / np.maximum(runs - 1, 1), runs)
    return Outcome(float(truth[int(np.argmax(scores))]), int(runs.sum()))


if __name__ == "__main__":
    main()

"""The sweeps that are timed, as they are posted to the service, and the runs that each of them means."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from app.domain.tasks.train_mlp import STEP_COST

FEATURES, CLASSES = 784, 10  # of Fashion-MNIST
EAGER_STEP_COST = 256 * 100_000  # what a step costs an eager loop beside its multiply-adds, in multiply-adds


@dataclass(frozen=True)
class Workload:
    """A sweep over a grid or at random. `epochs` are those of the comparison with the service."""

    name: str
    title: str
    space: dict[str, Any]
    epochs: int
    n_trials: int | None = None  # None: every cell of the grid
    seeds: int = 1

    def sweep(self) -> dict[str, Any]:
        """The body of `POST /api/v1/sweeps`."""
        search = {"sampler": "grid"} if self.n_trials is None else {"sampler": "random", "n_trials": self.n_trials}
        return {"name": self.title, "space": self.space | {"epochs": self.epochs}, "seeds": self.seeds, **search}

    def params(self) -> list[dict[str, Any]]:
        """The parameters of each trial, in the order of their numbers."""
        if self.n_trials is None:
            values = [value if isinstance(value, list) else [value] for value in self.space.values()]
            return [dict(zip(self.space, cell, strict=True)) for cell in itertools.product(*values)]
        from benchmarks.random_params import random_params  # with Optuna, which a machine that only trains may lack

        return random_params(self.space, self.n_trials)

    def runs(self) -> list[Run]:
        """One run a trial and seed, keyed (number, seed index), as a worker makes them of a sweep with seed 0."""
        return [
            Run((number, seed), run_config(params), seed)
            for number, params in enumerate(self.params())
            for seed in range(self.seeds)
        ]


def run_config(params: dict[str, Any]) -> MLPConfig:
    """What the parameters of a workload mean; `epochs` never end, as arms are told when to stop."""
    return MLPConfig.from_params({"epochs": 10_000} | params)


def _rates(count: int) -> list[float]:
    """Learning rates from 0.01 to 0.3, evenly on a log scale."""
    return [float(f"{0.01 * 30 ** (i / (count - 1)):.6g}") for i in range(count)]


WORKLOADS = (
    Workload(
        "W1",
        "the widths of exercise 1, 3 seeds",
        {"hidden_units": [2**k for k in range(11)], "learning_rate": 0.1},
        epochs=3,
        seeds=3,
    ),
    Workload("W2", "64 trials of width 32", {"hidden_units": 32, "learning_rate": _rates(64)}, epochs=8),
    Workload("W3", "16 trials of width 256", {"hidden_units": 256, "learning_rate": _rates(16)}, epochs=4),
    Workload(
        "W4",
        "64 random trials",
        {
            "hidden_units": {"low": 8, "high": 512, "log": True},
            "depth": {"low": 1, "high": 4},
            "activation": ["relu", "tanh", "sigmoid", "gelu"],
            "initialization": ["default", "normal", "xavier_uniform", "kaiming_normal"],
            "optimizer": ["sgd", "adam"],
            "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        },
        epochs=1,
        n_trials=64,
    ),
    Workload(
        "W5",
        "64 random trials of two layers, small batches",
        {
            "depth": 2,
            "hidden_units_1": {"low": 4, "high": 1024, "log": True},
            "hidden_units_2": {"low": 4, "high": 1024, "log": True},
            "batch_size": [16, 32, 64, 128],
            "dropout": {"low": 0.05, "high": 0.5},
            "optimizer": "adam",
            "weight_decay": {"low": 1e-8, "high": 1e-2, "log": True},
            "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        },
        epochs=1,
        n_trials=64,
    ),
)
QUICK = Workload("Q", "4 trials of width 8", {"hidden_units": 8, "learning_rate": _rates(4)}, epochs=1)


def _cost(run: Run, step_cost: int) -> float:
    """Multiply-adds of one example, forward, with its share of what a step costs beside them."""
    products = sum(inputs * outputs for inputs, outputs in run.config.layer_sizes(FEATURES, CLASSES))
    return products + step_cost / run.config.batch_size


def eager_cost(run: Run) -> float:
    """What an eager loop's time for a run is proportional to."""
    return _cost(run, EAGER_STEP_COST)


def fused_cost(run: Run) -> float:
    """What the service deals runs out by."""
    return _cost(run, STEP_COST)


def dealt(runs: Sequence[Run], processes: int) -> list[list[Run]]:
    """The runs dealt out to as many processes, the most expensive first, each to the least busy one."""
    hands: list[list[Run]] = [[] for _ in range(processes)]
    busy = [0.0] * processes
    for run in sorted(runs, key=eager_cost, reverse=True):
        least = busy.index(min(busy))
        hands[least].append(run)
        busy[least] += eager_cost(run)
    return hands


def claimed(workload: Workload, processes: int) -> list[list[Run]]:
    """The runs as workers claim them: each takes trials, most expensive first, until it has its share of the cost."""
    trials = [list(same) for _, same in itertools.groupby(workload.runs(), lambda run: _number(run))]
    costs = [sum(map(fused_cost, runs)) for runs in trials]
    waiting = sorted(range(len(trials)), key=lambda i: (-costs[i], i))
    share = sum(costs) / processes
    hands = []
    for _ in range(processes):
        indices = list(_until(waiting, costs, share))
        waiting = waiting[len(indices) :]
        hands.append([run for i in sorted(indices) for run in trials[i]])
    return hands


def _until(waiting: Sequence[int], costs: Sequence[float], share: float) -> Iterator[int]:
    waiting_costs = [costs[trial] for trial in waiting]
    takes_all = sum(waiting_costs) <= share + max(waiting_costs, default=0) / 2
    before = 0.0
    for trial in waiting:
        if before and before + costs[trial] / 2 > share and not takes_all:
            return
        yield trial
        before += costs[trial]


def _number(run: Run) -> int:
    assert isinstance(run.key, tuple)
    return int(run.key[0])

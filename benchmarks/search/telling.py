"""What a sampler learns of pruned trials, by how it is told them: `python -m benchmarks.search.telling [--seeds 40]`.

Nothing is trained: the learning curves are made up, and successive halving prunes them in cohorts. A trial that
is told `by its depth` has its last epoch and the value there; `without either` it is told as one that diverged; `as
final` its last value stands for that of a whole training. The regret is how far the best configuration that was trained
to its end is from the best one of the space.
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.domain.space import parse_space
from app.search.history import Observation
from app.search.samplers import AskSeed
from app.search.search import Search

SPACE = parse_space(
    {
        "learning_rate": {"low": 1e-5, "high": 10.0, "log": True},
        "hidden_units_1": {"low": 4, "high": 1024, "log": True},
        "hidden_units_2": {"low": 4, "high": 1024, "log": True},
        "depth": 2,
        "batch_size": {"low": 16, "high": 128, "log": True},
        "weight_decay": {"low": 1e-7, "high": 1.0, "log": True},
    }
)
EPOCHS, RUNGS, FACTOR = 81, (1, 4, 16, 64), 4
NOISE = 0.003  # standard deviation of a value

Params = Mapping[str, Any]
Telling = Callable[[Observation], Observation]

TELLINGS: dict[str, Telling] = {
    "without either": lambda trial: trial._replace(values=()) if trial.state == "pruned" else trial,
    "as final": lambda trial: trial._replace(state="complete") if trial.state == "pruned" else trial,
    "by its depth": lambda trial: trial,
}
ARMS = {"tpe": ("without either", "by its depth"), "cmaes": ("as final", "by its depth")}
ARMS["nsgaii"] = ARMS["gp"] = ARMS["cmaes"]


class Outcome(NamedTuple):
    """What came of a simulated sweep."""

    regret: float
    complete: int
    good: int
    """Trials of the second half whose learning rate is within a factor of four of the best one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--samplers", nargs="+", default=["tpe", "cmaes"], choices=ARMS)
    arguments = parser.parse_args()
    print("| sampler | a pruned trial is told | regret, median | regret, mean | complete | good rates, second half |")
    print("|---|---|---|---|---|---|")
    for sampler in arguments.samplers:
        for name in ARMS[sampler]:
            outcomes = [simulated(sampler, TELLINGS[name], seed, arguments.trials) for seed in range(arguments.seeds)]
            print(_row(sampler, name, outcomes, arguments.trials), flush=True)


def simulated(sampler: str, telling: Telling, seed: int, trials: int) -> Outcome:
    """A sweep of so many trials in cohorts, each of which knows all before it."""
    observations: list[Observation] = []
    reached: dict[int, list[float]] = {epoch: [] for epoch in RUNGS}
    while len(observations) < trials:
        search = Search(SPACE, {"name": sampler}, [telling(trial) for trial in observations])
        first = len(observations)
        last = min(first + max(10, first // 2), trials)  # as large as the service's claims
        asked = {number: search.ask(AskSeed(seed, number)) for number in range(first, last)}
        observations += train(asked, reached, random.Random(f"{seed}/{first}"))
    complete = [trial for trial in observations if trial.state == "complete"]
    regret = max((true_value(trial.params) for trial in complete), default=0.0)
    good = sum(abs(_rate_error(trial.params)) < math.log10(4) for trial in observations[trials // 2 :])
    return Outcome(1.0 - regret, len(complete), good)


def train(cohort: Mapping[int, Params], reached: Mapping[int, list[float]], noise: random.Random) -> list[Observation]:
    """How the trials end; those that go side by side reach a rung together."""
    ended = {number: Observation(number, "failed", params) for number, params in cohort.items() if diverges(params)}
    training = {number: params for number, params in cohort.items() if number not in ended}
    for epoch in (*RUNGS, EPOCHS):
        values = {number: value(params, epoch, noise) for number, params in training.items()}
        state, staying = "complete", set[int]()
        if epoch < EPOCHS:
            reached[epoch].extend(values.values())
            border = sorted(reached[epoch], reverse=True)[max(len(reached[epoch]) // FACTOR, 1) - 1]
            state, staying = "pruned", {number for number in values if values[number] >= border}
        for number in training.keys() - staying:
            ended[number] = Observation(number, state, training[number], (values[number],), epoch=epoch)
        training = {number: params for number, params in training.items() if number in staying}
    return [ended[number] for number in sorted(ended)]


def true_value(params: Params) -> float:
    """The accuracy after the last epoch without noise; 1 at the best configuration of the space."""
    widths = sum(math.log2(1024 / params[f"hidden_units_{layer}"]) for layer in (1, 2))
    decay = math.log10(params["weight_decay"]) + 5
    batch = math.log2(params["batch_size"] / 32)
    loss = 0.08 * _rate_error(params) ** 2 + 0.008 * widths + 0.01 * decay**2 + 0.01 * batch**2
    return 1.0 - min(loss, 0.9)


def value(params: Params, epoch: int, noise: random.Random) -> float:
    """The accuracy after an epoch: what is still to come shrinks by a power of the epoch, faster at larger rates."""
    still_to_come = 0.1 * math.pow(10, -0.3 * _rate_error(params)) * math.pow(epoch, -0.7)
    return max(true_value(params) - still_to_come, 0.1) + noise.gauss(0, NOISE)


def diverges(params: Params) -> bool:
    """Whether the learning rate is above what the narrower layer takes."""
    return _rate_error(params) > 1.5


def _rate_error(params: Params) -> float:
    """Decades between the learning rate and the best one."""
    return math.log10(params["learning_rate"]) + 3


def _row(sampler: str, name: str, outcomes: list[Outcome], trials: int) -> str:
    regrets = [outcome.regret for outcome in outcomes]
    complete = statistics.fmean(outcome.complete for outcome in outcomes)
    good = statistics.fmean(outcome.good for outcome in outcomes) / (trials - trials // 2)
    middle, mean = statistics.median(regrets), statistics.fmean(regrets)
    return f"| {sampler} | {name} | {middle:.4f} | {mean:.4f} | {complete:.1f} | {good:.0%} |"


if __name__ == "__main__":
    main()

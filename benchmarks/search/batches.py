"""How long TPE takes for a batch, and Optuna's own for each trial: `python -m benchmarks.search.batches [--asks 64]`.

Nothing is trained. Both are shown 256 trials that have ended, and draw the same; what is timed is the processor's time.
"""

import argparse
from math import isclose
from statistics import median
from time import process_time
from typing import Any

import optuna

from app.domain.space import Space, parse_space
from app.search.history import Observation
from app.search.optuna_space import frozen_trial, sampler_space, suggest_params
from app.search.samplers import AskSeed
from app.search.search import Search

SPACE = {
    "hidden_units_1": {"low": 4, "high": 1024, "log": True},
    "hidden_units_2": {"low": 4, "high": 1024, "log": True},
    "depth": 2,
    "batch_size": {"low": 16, "high": 128, "log": True},
    "learning_rate": {"low": 1e-6, "high": 1.0, "log": True},
    "weight_decay": {"low": 1e-7, "high": 1.0, "log": True},
    "activation": ["relu", "tanh", "gelu"],
}
SHOWN = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asks", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    space = parse_space(SPACE)
    trials = _ended_trials(space)
    seconds: dict[str, list[float]] = {"as a batch": [], "one by one": []}
    for _ in range(arguments.rounds):
        start = process_time()
        search = Search(space, {"name": "tpe"}, trials)
        together = [search.ask(AskSeed(0, SHOWN + number)) for number in range(arguments.asks)]
        seconds["as a batch"].append(process_time() - start)
        start = process_time()
        alone = _optunas_own(space, trials, arguments.asks)
        seconds["one by one"].append(process_time() - start)
        for params, own_params in zip(together, alone, strict=True):
            numbers = [name for name, value in own_params.items() if isinstance(value, float)]
            assert all(isclose(params[name], own_params[name], rel_tol=1e-12) for name in numbers)
            assert params | {name: own_params[name] for name in numbers} == own_params
    for name, times in seconds.items():
        print(f"{arguments.asks} asks {name}: {median(times):.3f} s, at least {min(times):.3f} s")


def _ended_trials(space: Space) -> list[Observation]:
    search = Search(space, {"name": "random"})
    asked = [search.ask(AskSeed(1, number)) for number in range(SHOWN)]
    return [
        Observation(number, "complete", params, (-abs(params["learning_rate"] - 0.01),))
        for number, params in enumerate(asked)
    ]


def _optunas_own(space: Space, trials: list[Observation], asks: int) -> list[dict[str, Any]]:
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        fields: dict[str, Any] = {"state": optuna.trial.TrialState.COMPLETE, "values": trial.values}
        study.add_trial(frozen_trial(sampler_space(space), trial.params, **fields))
    draws = []
    for number in range(asks):
        study.sampler = optuna.samplers.TPESampler(seed=AskSeed(0, SHOWN + number).seed)
        draws.append(suggest_params(study.ask(), space))
    return draws


if __name__ == "__main__":
    main()

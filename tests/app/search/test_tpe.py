"""TPE that is asked for a batch draws what Optuna's own draws for each trial by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

from app.domain.objectives import Objective
from app.domain.space import parse_constraints, parse_space
from app.search import samplers
from app.search.history import Observation
from app.search.optuna_space import SamplerSpace
from app.search.parzen import Mixture
from app.search.samplers import AskSeed
from app.search.search import Search

PLAIN = {
    "hidden_units": {"low": 4, "high": 1024, "log": True},
    "batch_size": {"low": 16, "high": 128, "step": 16},
    "learning_rate": {"low": 1e-6, "high": 1.0, "log": True},
    "dropout": {"low": 0, "high": 0.9, "step": 0.1},
    "momentum": {"low": 0, "high": 1},
    "activation": ["relu", "tanh", "gelu"],
}
CONDITIONAL = {
    "depth": {"low": 1, "high": 3},
    "hidden_units_2": {"low": 8, "high": 64, "log": True},
    "optimizer": ["sgd", "adam"],
    "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": "sgd"}},
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
}
ACCURACY, PARAMETERS = Objective("val_accuracy"), Objective("parameters", maximize=False)


def optunas_own(ask_seed: AskSeed, space: SamplerSpace) -> BaseSampler:
    grouped: dict[str, Any] = {"group": True, "multivariate": True} if space.conditional else {}
    return optuna.samplers.TPESampler(seed=ask_seed.seed, **grouped)


def history(raw: dict[str, Any], objectives: Sequence[Objective]) -> list[Observation]:
    """Sixty trials that have ended in every way, and four that run."""
    search = Search(parse_space(raw), {"name": "random"})
    trials = []
    for number in range(64):
        params = search.ask(AskSeed(1, number))
        state = "running" if number >= 60 else ("complete", "complete", "pruned", "failed")[number % 4]
        value = -abs(params["learning_rate"] - 0.05)
        values = (value, params["learning_rate"])[: len(objectives)] if state == "complete" else (value,)
        if state not in {"complete", "pruned"} or (state == "pruned" and len(objectives) > 1):
            values = ()
        trials.append(Observation(number, state, params, values, epoch=3 * (state == "pruned")))
    return trials


def batch(raw: dict[str, Any], objectives: Sequence[Objective], constraints: list[str]) -> list[dict[str, Any]]:
    """What twelve trials that are asked for at once are given; where a constraint is broken, after another ask."""
    space = parse_space(raw)
    limits = parse_constraints(constraints, space)
    search = Search(space, {"name": "tpe"}, history(raw, objectives), objectives=objectives, constraints=limits)
    draws = []
    for number in range(64, 76):
        draws.append(search.ask(AskSeed(0, number)))
        if limits.broken(draws[-1]) is not None:
            search.refuse_last(draws[-1])
            draws.append(search.ask(AskSeed(0, number, refused=1)))
    return draws


@pytest.mark.parametrize(
    ("raw", "objectives", "constraints"),
    [
        (PLAIN, [ACCURACY], []),
        (PLAIN, [ACCURACY], ["hidden_units <= 100"]),
        (CONDITIONAL, [ACCURACY], []),
        (CONDITIONAL, [ACCURACY], ["learning_rate <= 0.1"]),
        (PLAIN, [ACCURACY, PARAMETERS], []),
    ],
    ids=["plain", "constrained", "conditional", "conditional and constrained", "two objectives"],
)
def test_a_batch_is_what_optuna_draws_one_by_one(
    raw: dict[str, Any], objectives: list[Objective], constraints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same parameters in the same order, with a sampler of Optuna's own for each ask; reals to the last digits."""
    together = batch(raw, objectives, constraints)
    monkeypatch.setattr(samplers, "_MAKERS", {"tpe": optunas_own, "random": samplers._MAKERS["random"]})
    alone = batch(raw, objectives, constraints)
    assert [list(params) for params in together] == [list(params) for params in alone]
    for params, own_params in zip(together, alone, strict=True):
        for name, value in own_params.items():
            assert params[name] == (pytest.approx(value, rel=1e-12, abs=0) if isinstance(value, float) else value)
    assert constraints == [] or len(together) > 12


@pytest.mark.parametrize("observed", [0, 1, 40])
def test_densities_and_draws_are_those_of_optuna(observed: int) -> None:
    """Of reals and integers, in steps and logarithms, and of names, also far out in the tails of the kernels."""
    draw = np.random.default_rng(observed)
    space: dict[str, Any] = {
        "real": FloatDistribution(0.0, 1.0),
        "log": FloatDistribution(1e-6, 1.0, log=True),
        "step": FloatDistribution(0.0, 0.9, step=0.1),
        "whole": IntDistribution(1, 5000),
        "whole log": IntDistribution(1, 5000, log=True),
        "name": CategoricalDistribution(["a", "b"]),
    }

    def values(count: int) -> dict[str, np.ndarray]:
        return {
            "real": draw.random(count),
            "log": 10 ** (-6 * draw.random(count)),
            "step": draw.integers(0, 10, count) / 10,
            "whole": draw.choice([1.0, 2.0, 4999.0, 5000.0], count),
            "whole log": draw.choice([1.0, 2.0, 300.0, 5000.0], count),
            "name": draw.integers(0, 2, count).astype(float),
        }

    observations, samples = values(observed), values(50)
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    mixture, optunas = (kind(observations, space, parameters) for kind in (Mixture, _ParzenEstimator))
    np.testing.assert_allclose(mixture.log_pdf(samples), optunas.log_pdf(samples), rtol=1e-9)
    draws, own_draws = (kind.sample(np.random.RandomState(observed), 500) for kind in (mixture, optunas))
    assert list(draws) == list(own_draws)
    for name, numbers in draws.items():
        np.testing.assert_allclose(numbers, own_draws[name], rtol=1e-10, err_msg=name)

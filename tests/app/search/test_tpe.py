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
from app.search.samplers import AskSeed
from app.search.search import Search
from app.search.tpe.axes import Axes
from app.search.tpe.kernels import Kernels
from app.search.tpe.mixture import Mixture

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


def optunas_own(ask_seed: AskSeed, space: SamplerSpace, **options: Any) -> BaseSampler:
    grouped: dict[str, Any] = {"group": True, "multivariate": True} if space.conditional else {}
    return optuna.samplers.TPESampler(seed=ask_seed.seed, **grouped, **options)


def close(params: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether they are equal, reals to the last digits."""
    return params.keys() == others.keys() and all(
        value == (pytest.approx(others[name], rel=1e-12, abs=0) if isinstance(value, float) else others[name])
        for name, value in params.items()
    )


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
    """The same parameters in the same order, with a sampler of Optuna's own for each ask; reals to the last digits.

    So it is where a study is told and asked, as is one of a space with conditions or for two objectives.
    """
    together = batch(raw, objectives, constraints)
    monkeypatch.setattr(Search, "_make_batch", lambda *_: None)
    by_study = batch(raw, objectives, constraints)
    monkeypatch.setattr(samplers, "_MAKERS", {"tpe": optunas_own, "random": samplers._MAKERS["random"]})
    alone = batch(raw, objectives, constraints)
    for draws in (together, by_study):
        assert [list(params) for params in draws] == [list(params) for params in alone]
        for params, own_params in zip(draws, alone, strict=True):
            assert close(params, own_params)
        assert constraints == [] or len(draws) > 12


NAMES = {"activation": ["relu", "tanh", "gelu"], "optimizer": ["sgd", "adam"], "hidden_layers": [[8], [8, 8], [4]]}
WHOLE = {"hidden_units": {"low": 1, "high": 9}, "batch_size": {"low": 16, "high": 64, "step": 16}}


@pytest.mark.parametrize("raw", [PLAIN, NAMES, WHOLE], ids=["plain", "names", "whole"])
@pytest.mark.parametrize("ended", [1, 2, 9, 60, 300])
def test_a_long_batch_is_what_optuna_draws_one_by_one(
    raw: dict[str, Any], ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many asks beside few and many trials, each refused now and then, also of few values that come again and again."""

    def draws() -> list[dict[str, Any]]:
        space = parse_space(raw)
        random = Search(space, {"name": "random"})
        asked = [random.ask(AskSeed(7, number)) for number in range(ended + 5)]
        trials = [
            Observation(
                number, "complete" if number < ended else "waiting", params, (number * 37 % 11,) * (number < ended)
            )
            for number, params in enumerate(asked)
        ]
        search = Search(space, {"name": "tpe", "n_startup_trials": 1, "n_ei_candidates": 6}, trials)
        drawn = []
        for number in range(150):
            drawn.append(search.ask(AskSeed(3, number)))
            if number % 7 == 0:
                search.refuse_last(drawn[-1])
        return drawn

    together = draws()
    monkeypatch.setattr(Search, "_make_batch", lambda *_: None)
    monkeypatch.setattr(samplers, "_MAKERS", {"tpe": optunas_own, "random": samplers._MAKERS["random"]})
    for params, own_params in zip(together, draws(), strict=True):
        assert close(params, own_params)


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
    space = dict(sorted(space.items()))
    mixture, optunas = (kind(observations, space, parameters) for kind in (Mixture, _ParzenEstimator))
    kernels = grown(space, observations)
    rows = np.array([samples[name] for name in space])
    np.testing.assert_allclose(mixture.log_pdf(samples), optunas.log_pdf(samples), rtol=1e-9)
    np.testing.assert_allclose(kernels.log_densities(rows), optunas.log_pdf(samples), rtol=1e-9)
    draws, own_draws = (kind.sample(np.random.RandomState(observed), 500) for kind in (mixture, optunas))
    assert list(draws) == list(own_draws)
    drawn_rows = kernels.draw(np.random.RandomState(observed), 500)
    for name, numbers, row in zip(draws, draws.values(), drawn_rows, strict=True):
        np.testing.assert_allclose(numbers, own_draws[name], rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(row, own_draws[name], rtol=1e-10, err_msg=name)


def grown(space: dict[str, Any], observations: dict[str, np.ndarray]) -> Kernels:
    """The kernels of these trials, the second half one after the other, each in place of another that is taken back."""
    rows = np.array([observations[name] for name in space]).T
    kernels = Kernels(Axes(space), len(rows) + 1)
    first = len(rows) // 2
    kernels.set(rows[:first], 0)
    for count in range(first + 1, len(rows) + 1):
        kernels.log_densities(rows.T)
        kernels.set(np.vstack([rows[: count - 1], rows[:1]]), count - 1)
        kernels.set(rows[:count], count - 1)
    return kernels

"""What a preview advises before a sweep is posted: sentences about what is expensive, or to no purpose."""

from typing import Any

import pytest

from app.domain.space import parse_space
from app.schemas import SweepCreate
from app.sweeps.advice import warnings

BODY = {
    "name": "n",
    "dataset": "digits",
    "space": {"hidden_units": [8, 16], "epochs": 4},
    "sampler": "random",
    "seeds": 2,
}


def advice(seconds: float | None = 1.0, n_trials: int = 2, **changes: Any) -> list[str]:
    body = SweepCreate.model_validate({**BODY, "n_trials": n_trials, **changes})
    return warnings(body, parse_space(body.space, body.task), n_trials, seconds)


def test_a_good_sweep_needs_no_advice() -> None:
    """Silence is worth something."""
    assert advice() == []
    assert advice(None, 100, space={"learning_rate": {"low": 0.1, "high": 1}}, sampler="tpe", pruner="median") == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seconds": 7200.0}, "It takes about 2 h: fewer trials"),
        ({"n_trials": 3}, "The space holds only 2 configurations: with 3 trials some come again"),
        ({"space": {"epochs": 3}}, "Nothing varies: all 2 trials have the same configuration"),
        ({"space": {"init_std": [0.1, 1]}}, "init_std does nothing here: it needs initialization normal"),
        ({"space": {"momentum": [0, 0.5], "optimizer": "adam"}}, "momentum does nothing here: it needs optimizer sgd"),
        ({"space": {"hidden_units": [1, 2], "depth": 0}}, "hidden_units does nothing here: at depth 0"),
        ({"space": {"hidden_units": [1, 2], "epochs": 1}, "pruner": "median"}, "The pruner can stop nothing"),
        ({"seeds": 1, "pruner": "wilcoxon"}, "The Wilcoxon pruner compares seed by seed"),
        ({"sampler": "nsgaii"}, "nsgaii learns from generations of 50: with 2 trials it only draws"),
        ({"n_trials": 501, "sampler": "gp", "space": {"learning_rate": {"low": 0.1, "high": 1}}}, "A Gaussian process"),
    ],
)
def test_what_is_expensive_or_pointless_is_said(changes: dict[str, Any], sentence: str) -> None:
    """In one sentence, with what would help."""
    (warning,) = advice(**changes)
    assert warning.startswith(sentence)


def test_a_time_limit_makes_no_sweep_too_long() -> None:
    """Nor does a hyperparameter go to waste that another value needs."""
    assert advice(7200.0, stop={"seconds": 600}) == []
    assert advice(space={"init_std": [0.1, 1], "initialization": ["default", "normal"]}) == []

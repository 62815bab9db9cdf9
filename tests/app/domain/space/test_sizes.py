"""How large models are, and which trials can't be trained."""

from typing import Any

import pytest

from app.domain.configuration import MLPConfig
from app.domain.memory import run_bytes
from app.domain.space import check_model_fits, largest_trial, parse_space
from app.domain.sweep_limits import MAX_TRIAL_BYTES
from app.errors import InvalidError

FASHION = (784, 10)


def test_the_largest_trial_has_the_optimizer_that_keeps_the_most() -> None:
    """What a sweep is said to take counts Adam's two moments, batch normalization and dropout, for every seed."""
    space = parse_space(
        {
            "hidden_units": [64, 512],
            "optimizer": ["sgd", "adam", "rmsprop"],
            "batch_norm": [True, False],
            "dropout": 0.5,
        }
    )
    largest = MLPConfig((512,), optimizer="adam", batch_norm=True, dropout=0.5)
    assert largest_trial(space, FASHION, seeds=3) == (
        largest.parameter_count(*FASHION),
        3 * run_bytes(largest, *FASHION),
    )


def test_what_the_optimizer_keeps_decides_whether_a_trial_fits() -> None:
    """40 million parameters fit with plain descent and 9 seeds, and not with Adam."""
    space = {"hidden_layers": [[5_000, 5_000, 2_000]], "batch_size": 256}
    check_model_fits(parse_space({**space, "optimizer": "sgd"}), FASHION, seeds=9)
    with pytest.raises(InvalidError) as caught:
        check_model_fits(parse_space({**space, "optimizer": "adam"}), FASHION, seeds=9)
    assert "9 runs take up to" in caught.value.errors[0].msg
    assert f"the most is {MAX_TRIAL_BYTES / 2**30:.0f} GiB" in caught.value.errors[0].msg


def test_a_model_that_is_never_trained_does_not_count() -> None:
    """A constraint on `parameters` bounds the memory, too."""
    space = parse_space({"hidden_units": {"low": 1, "high": 65_536}, "depth": [1, 3]})
    parameters, size = largest_trial(space, FASHION, seeds=2, max_parameters=1e6)
    assert parameters == 1e6
    assert size < largest_trial(space, FASHION, seeds=2)[1]


@pytest.mark.parametrize(
    ("raw", "params"),
    [
        (
            {"optimizer": ["sgd", "nesterov"], "momentum": {"value": 0.0, "when": {"optimizer": "sgd"}}},
            {"optimizer": "nesterov"},
        ),
        ({"depth": [1, 2], "hidden_units": {"value": 8, "when": {"depth": 1}}}, {"depth": 2}),
        ({"activation": ["relu", "tanh"], "batch_size": {"value": 1, "when": {"activation": "relu"}}}, {}),
    ],
)
def test_what_is_left_out_by_a_condition_has_the_book_s_value(raw: dict[str, Any], params: dict[str, Any]) -> None:
    """Also where that takes more memory than any value that the space names."""
    _, size = largest_trial(parse_space(raw), (784, 10), 1)
    assert size == run_bytes(MLPConfig.from_params(params), 784, 10)

"""The configuration of a network and its training."""

import pytest

from app.domain.configuration import MLPConfig


def test_layers_of_a_configuration() -> None:
    """784-256-10 has 203,530 parameters; without hidden layers it is softmax regression."""
    assert MLPConfig((256,)).parameter_count(784, 10) == 203_530
    assert MLPConfig(()).layer_sizes(784, 10) == [(784, 10)]
    assert MLPConfig((256,), batch_norm=True).parameter_count(784, 10) == 203_530 + 256


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_layers": (4, 0)},
        {"epochs": 0},
        {"batch_size": 0},
        {"activation": "softsign"},
        {"initialization": "lecun"},
        {"optimizer": "lion"},
        {"lr_schedule": "linear"},
        {"momentum": 1.5},
        {"label_smoothing": -0.1},
        {"dropout": 1.0},
        {"weight_decay": float("nan")},
        {"patience": -1},
        {"lr_step_epochs": 0},
    ],
)
def test_refuses_what_can_not_be_built(wrong: dict[str, object]) -> None:
    """The message begins with the field that is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MLPConfig(**wrong)  # type: ignore[arg-type]

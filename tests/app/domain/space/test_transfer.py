"""Configurations of one space within another one."""

from typing import Any

import pytest

from app.domain.configuration import MLPConfig
from app.domain.space import Constraints, parse_constraints, parse_space
from app.domain.space.transfer import OutsideError, transferred

DIGITS = (64, 10)


def moved(space: dict[str, Any], params: dict[str, Any], *constraints: str) -> dict[str, Any]:
    parsed = parse_space(space)
    return transferred(parsed, parse_constraints(constraints, parsed, DIGITS), params)


@pytest.mark.parametrize(
    ("space", "params", "expected"),
    [
        (
            {"hidden_units": [8, 16], "learning_rate": 0.1},
            {"hidden_units": 16},
            {"hidden_units": 16, "learning_rate": 0.1},
        ),
        ({"hidden_units": 16, "depth": [1, 2]}, {"hidden_layers": [16, 16]}, {"hidden_units": 16, "depth": 2}),
        (
            {"hidden_layers": [[], [4, 8]]},
            {"depth": 2, "hidden_units_1": 4, "hidden_units_2": 8},
            {"hidden_layers": [4, 8]},
        ),
        (
            {"depth": 2, "hidden_units_1": [4, 8]},
            {"hidden_units": 256, "hidden_units_1": 8, "depth": 2},
            {"depth": 2, "hidden_units_1": 8},
        ),
        (
            {"optimizer": ["sgd", "momentum"], "momentum": {"value": 0.9, "when": {"optimizer": "momentum"}}},
            {"optimizer": "momentum"},
            {"optimizer": "momentum", "momentum": 0.9},
        ),
    ],
)
def test_a_configuration_is_named_as_the_space_names_it(
    space: dict[str, Any], params: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Constants are filled in and widths said in the space's words; the network is the same."""
    params = {"epochs": 10} | params
    assert moved(space, params) == expected
    assert MLPConfig.from_params(expected) == MLPConfig.from_params(params)


def test_one_number_of_epochs_is_the_space_s_own() -> None:
    """A short sweep prepares a long one; where a space searches for epochs, the configuration's must be among them."""
    assert moved({"hidden_units": [8, 16], "epochs": 30}, {"hidden_units": 8, "epochs": 5})["epochs"] == 30
    assert moved({"hidden_units": [8, 16]}, {"hidden_units": 8, "epochs": 5}) == {"hidden_units": 8}
    with pytest.raises(OutsideError, match=r"epochs must be one of what this sweep tries, 10, 30, not 5$"):
        moved({"hidden_units": [8, 16], "epochs": [10, 30]}, {"hidden_units": 8, "epochs": 5})


@pytest.mark.parametrize(
    ("space", "params", "reason"),
    [
        (
            {"hidden_units": [8, 16]},
            {"hidden_units": 12},
            "hidden_units must be one of what this sweep tries, 8, 16, not 12",
        ),
        (
            {"hidden_units": [8]},
            {"hidden_units": 8, "dropout": 0.5},
            "dropout is 0.5, and this sweep trains with 0 alone",
        ),
        ({"hidden_units": [8]}, {"hidden_layers": [8, 8]}, "hidden_layers is 8-8, and this sweep trains with 8 alone"),
        (
            {"optimizer": ["sgd", "adam"], "dropout": {"values": [0.0, 0.5], "when": {"optimizer": "adam"}}},
            {"optimizer": "sgd", "dropout": 0.5},
            "dropout is 0.5, and this sweep trains with 0 alone",
        ),
    ],
)
def test_what_lies_outside_says_why(space: dict[str, Any], params: dict[str, Any], reason: str) -> None:
    """A value that the space lacks, or one that it leaves to the book."""
    with pytest.raises(OutsideError) as raised:
        moved(space, {"epochs": 10} | params)
    assert str(raised.value) == reason


def test_a_broken_constraint_is_named() -> None:
    """With the numbers that break it."""
    assert transferred(parse_space({"hidden_units": [8, 64]}), Constraints(), {"hidden_units": 64})
    with pytest.raises(OutsideError, match="it breaks the constraint parameters <= 1000: 4,810"):
        moved({"hidden_units": [8, 64]}, {"hidden_units": 64}, "parameters <= 1000")

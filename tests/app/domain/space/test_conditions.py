"""Conditions: what exists only where others have certain values."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.configuration import with_defaults
from app.domain.space import Choice, Constant, Range, parse_space
from app.errors import InvalidError

OPTIMIZER = {"optimizer": ["sgd", "adam"]}


def cells(raw: dict[str, Any]) -> list[dict[str, Any]]:
    space = parse_space(raw)
    found = list(space.grid())
    assert space.grid_size() == len(found)
    return found


def test_what_is_inactive_is_not_there_and_makes_no_cells() -> None:
    """Two optimizers, three momenta that only one of them has: four cells, not six."""
    momentum = {"values": [0.0, 0.5, 0.9], "when": {"optimizer": "sgd"}}
    assert cells({"momentum": momentum, **OPTIMIZER}) == [
        {"momentum": 0.0, "optimizer": "sgd"},
        {"momentum": 0.5, "optimizer": "sgd"},
        {"momentum": 0.9, "optimizer": "sgd"},
        {"optimizer": "adam"},
    ]


def test_ranges_choices_and_constants_can_have_conditions() -> None:
    """Each in its long form, with one value or several, on one hyperparameter or several."""
    space = parse_space(
        {
            "depth": [1, 2, 3],
            "activation": ["relu", "tanh"],
            "dropout": {"low": 0.1, "high": 0.5, "step": 0.2, "when": {"depth": [2, 3], "activation": "relu"}},
            "init_std": {"value": 0.1, "when": {"depth": 1}},
            "batch_norm": {"values": [True, False], "when": {"depth": [3]}},
        }
    )
    assert space.domains["dropout"] == Range(0.1, 0.5, 0.2)
    assert (space.domains["init_std"], space.domains["batch_norm"]) == (Constant(0.1), Choice((True, False)))
    assert space.conditions["dropout"] == {"depth": (2, 3), "activation": ("relu",)}
    assert space.constants() == {}
    assert space.grid_size() == len(list(space.grid())) == 2 + (3 + 1) + (3 * 2 + 2)


def test_conditions_run_in_chains() -> None:
    """What depends on something inactive is inactive too, in whatever order it was posted."""
    raw = {
        "lr_gamma": {"values": [0.1, 0.5], "when": {"lr_schedule": "step"}},
        "lr_schedule": {"values": ["step", "cosine"], "when": {"optimizer": "sgd"}},
        **OPTIMIZER,
    }
    assert parse_space(raw).order == ("optimizer", "lr_schedule", "lr_gamma")
    assert cells(raw) == [
        {"lr_gamma": 0.1, "lr_schedule": "step", "optimizer": "sgd"},
        {"lr_gamma": 0.5, "lr_schedule": "step", "optimizer": "sgd"},
        {"lr_schedule": "cosine", "optimizer": "sgd"},
        {"optimizer": "adam"},
    ]


def test_widths_exist_where_the_depth_says_so() -> None:
    """hidden_units_2 is there at depth 2; a layer without a width of its own has hidden_units."""
    raw = {"depth": [0, 1, 2, 3], "hidden_units_1": [8, 16], "hidden_units_2": [4], "hidden_units": 5}
    widths = [with_defaults(cell)["hidden_layers"] for cell in cells(raw)]
    assert widths == [[], [8], [16], [8, 4], [16, 4], [8, 4, 5], [16, 4, 5]]
    assert parse_space({"hidden_units_1": [8, 16]}).conditions == {}


def test_a_width_keeps_its_own_condition() -> None:
    """Of the depths that it names, those where the layer exists."""
    width = {"values": [8, 16], "when": {"depth": [1, 3], "activation": "relu"}}
    space = parse_space({"depth": {"low": 1, "high": 3}, "activation": ["relu", "tanh"], "hidden_units_2": width})
    assert space.conditions == {"hidden_units_2": {"depth": (3,), "activation": ("relu",)}}


@given(
    depths=st.sets(st.integers(0, 4), min_size=1).map(sorted),
    widths=st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
def test_a_grid_of_widths_is_each_network_once(depths: list[int], widths: list[int]) -> None:
    """As many cells as there are networks: the product of the widths up to each depth."""
    names = [f"hidden_units_{layer}" for layer in range(1, max(depths) + 1)]
    raw = {"depth": depths} | {name: list(range(1, most + 1)) for name, most in zip(names, widths, strict=False)}
    found: list[Any] = [with_defaults(cell)["hidden_layers"] for cell in cells(raw)]
    expected = [
        list(layers) for depth in depths for layers in product(*(range(1, most + 1) for most in widths[:depth]))
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("raw", "loc", "says"),
    [
        ({"momentum": {"value": 0.5, "when": {"depth": 1}}}, ("momentum", "when", "depth"), "is not in the space"),
        ({"depth": {"low": 1, "high": 2, "when": {"depth": 1}}}, ("depth", "when", "depth"), "can't depend on itself"),
        ({**OPTIMIZER, "momentum": {"value": 0, "when": {}}}, ("momentum", "when"), "must name hyperparameters"),
        (
            {**OPTIMIZER, "momentum": {"value": 0, "when": {"optimizer": []}}},
            ("momentum", "when", "optimizer"),
            "no value",
        ),
        (
            {**OPTIMIZER, "momentum": {"value": 0, "when": {"optimizer": "rmsprop"}}},
            ("momentum", "when", "optimizer"),
            "is never 'rmsprop' in this space",
        ),
        (
            {"depth": {"low": 1, "high": 3}, "momentum": {"value": 0, "when": {"depth": "2"}}},
            ("momentum", "when", "depth"),
            "must be a whole number, not '2'",
        ),
        (
            {"learning_rate": {"low": 0.1, "high": 1.0}, "momentum": {"value": 0, "when": {"learning_rate": 0.1}}},
            ("momentum", "when", "learning_rate"),
            "is a continuous range",
        ),
        (
            {"hidden_units_2": [4, 8]},
            ("hidden_units_2",),
            "exists only at a depth of 2 or more, but depth has the book's",
        ),
        ({"depth": [1, 2], "hidden_units_3": 4}, ("hidden_units_3",), "but depth is never more than 2"),
        ({"hidden_layers": [4], "hidden_units_1": 4}, ("hidden_units_1",), "can't stand beside hidden_layers"),
        ({"depth": {"values": [1], "low": 1}}, ("depth", "low"), "can't stand beside values"),
        ({"depth": {"values": 3}}, ("depth", "values"), "must be a list, not 3"),
        ({"activation": {"values": ["relu", "rleu"]}}, ("activation", "values", 1), "must be one of relu,"),
    ],
)
def test_a_condition_that_can_not_be_is_refused(raw: dict[str, Any], loc: tuple[str | int, ...], says: str) -> None:
    """The path of the field, and what would be right."""
    with pytest.raises(InvalidError) as caught:
        parse_space(raw)
    assert [error.loc for error in caught.value.errors] == [("space", *loc)]
    assert says in caught.value.errors[0].msg


def test_a_circle_of_conditions_is_refused() -> None:
    """Every one that stands in it is named."""
    raw = {
        "optimizer": {"values": ["sgd", "adam"], "when": {"activation": "relu"}},
        "activation": {"values": ["relu", "tanh"], "when": {"optimizer": "sgd"}},
    }
    with pytest.raises(InvalidError) as caught:
        parse_space(raw)
    assert [error.loc for error in caught.value.errors] == [("space", name, "when") for name in raw]


def test_a_grid_with_conditions_has_a_limit() -> None:
    """A hundred thousand cells, counted without making them where they are many."""
    raw = {"depth": [1, 2], "hidden_units_1": {"low": 1, "high": 1000}, "hidden_units_2": {"low": 1, "high": 1000}}
    with pytest.raises(InvalidError, match="too large") as caught:
        parse_space(raw).grid_size()
    assert "has 1,001,000 cells" in caught.value.errors[0].msg

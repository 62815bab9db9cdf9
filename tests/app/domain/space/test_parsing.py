"""The search space: what may be written, what it means, and what is refused with the field's path."""

from itertools import product
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.domain.configuration import MLPConfig
from app.domain.space import Choice, Constant, Range, parse_space
from app.errors import InvalidError


def refusal(raw: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidError) as caught:
        parse_space(raw).grid_size()
    return {error.loc: error.msg for error in caught.value.errors}


def test_a_value_a_list_and_a_range_are_told_apart() -> None:
    """Constants, choices, whole and continuous ranges, in the order in which they were written."""
    space = parse_space(
        {
            "epochs": 10,
            "activation": ["relu", "tanh"],
            "hidden_units": {"low": 1, "high": 64, "log": True},
            "learning_rate": {"low": 0.01, "high": 1.0},
            "depth": {"low": 0, "high": 8, "step": 2},
            "momentum": {"low": 0, "high": 1},
            "weight_decay": {"low": 1, "high": 100, "log": True},
            "warmup_epochs": {"low": 0, "high": 4, "step": 1},
            "init_gain": {"low": 1, "high": 100, "step": 1, "log": True},
        }
    )
    assert space.domains == {
        "epochs": Constant(10),
        "activation": Choice(("relu", "tanh")),
        "hidden_units": Range(1, 64, log=True, whole=True),
        "learning_rate": Range(0.01, 1.0),
        "depth": Range(0, 8, 2, whole=True),
        "momentum": Range(0.0, 1.0),  # whole bounds of a hyperparameter that takes reals
        "weight_decay": Range(1.0, 100.0, log=True),
        "warmup_epochs": Range(0, 4, 1, whole=True),
        "init_gain": Range(1, 100, 1, log=True, whole=True),
    }
    assert [*space.domains][:5] == ["epochs", "activation", "hidden_units", "learning_rate", "depth"]
    assert (set(space.constants()), "epochs" in space.free()) == ({"epochs"}, False)


def test_lists_of_widths_are_one_value_or_choices_of_them() -> None:
    """`[8, 4]` is one network, `[[8], [8, 4], []]` are three."""
    assert parse_space({"hidden_layers": [8, 4]}).domains["hidden_layers"] == Constant([8, 4])
    assert parse_space({"hidden_layers": []}).domains["hidden_layers"] == Constant([])
    assert parse_space({"hidden_layers": [[8], [8, 4], []]}).domains["hidden_layers"] == Choice(([8], [8, 4], []))


def test_a_grid_is_every_cell_once_the_last_one_fastest() -> None:
    """Numbers with a step are what a person would write, without the noise of binary fractions."""
    space = parse_space({"depth": {"low": 0, "high": 1}, "learning_rate": {"low": 0.1, "high": 0.35, "step": 0.1}})
    cells = [(cell["depth"], cell["learning_rate"]) for cell in space.grid()]
    assert cells == [*product((0, 1), (0.1, 0.2, 0.3))]
    assert space.grid_size() == 6


@given(low=st.integers(1, 50), width=st.integers(1, 50), step=st.integers(1, 20))
def test_a_whole_range_holds_what_python_s_range_holds(low: int, width: int, step: int) -> None:
    """From low to high, both included, as far as the steps go."""
    if step <= width:
        domain = parse_space({"hidden_units": {"low": low, "high": low + width, "step": step}}).domains["hidden_units"]
        assert isinstance(domain, Range)
        values = [*range(low, low + width + 1, step)]
        assert [domain.value(index) for index in range(domain.size)] == values
        assert domain.last == values[-1]


@pytest.mark.parametrize(
    ("raw", "loc", "says"),
    [
        ({"hiden_units": 4}, ("hiden_units",), "is no hyperparameter; there are hidden_units,"),
        ({"hidden_units": "8"}, ("hidden_units",), "must be a whole number, not '8'"),
        ({"hidden_units": True}, ("hidden_units",), "must be a whole number, not True"),
        ({"hidden_units": 0}, ("hidden_units",), "must be at least 1 and at most 65536, not 0"),
        ({"hidden_units": [4, 8, 4]}, ("hidden_units", 2), "lists 4 twice"),
        ({"hidden_units": []}, ("hidden_units",), "must list between 1 and 1,000 values, not 0"),
        ({"hidden_layers": [4] * 9}, ("hidden_layers",), "must be a list of at most 8 widths"),
        ({"hidden_layers": [[4], [0]]}, ("hidden_layers", 1), "must be at least 1"),
        ({"learning_rate": 0}, ("learning_rate",), "must be above 0 and at most 1e+06, not 0"),
        ({"learning_rate": 10**400}, ("learning_rate",), "is too large"),
        ({"learning_rate": float("nan")}, ("learning_rate",), "must be a number, not nan"),
        ({"learning_rate": {"low": 0.1}}, ("learning_rate", "high"), "is missing: a range is"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "base": 10}}, ("learning_rate", "base"), "is no part of a range"),
        ({"learning_rate": {"low": 0.5, "high": 0.5}}, ("learning_rate",), "low must be less than high"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "step": 2}}, ("learning_rate", "step"), "at most 0.9, not 2"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "step": 1e-30}}, ("learning_rate", "step"), "at least 1e-06, a"),
        (
            {"learning_rate": {"low": 0.1, "high": 1.0, "step": 5e-324}},
            ("learning_rate", "step"),
            "not 5e-324; without",
        ),
        (
            {"learning_rate": {"low": 0.1, "high": 1.0, "step": 0.1, "log": True}},
            ("learning_rate", "step"),
            "can't be given on a log scale",
        ),
        ({"learning_rate": {"low": 0.1, "high": 1.0}}, ("learning_rate",), "a grid needs a list, whole numbers, or"),
        ({"depth": {"low": 0, "high": 8, "log": True}}, ("depth", "low"), "must be above 0 on a log scale, not 0"),
        ({"hidden_units": {"low": 1, "high": 9, "step": 0.5}}, ("hidden_units", "step"), "must be a whole number"),
        ({"activation": {"low": 1, "high": 2}}, ("activation",), "takes names, not a range"),
        ({"hidden_layers": [4], "depth": 2}, ("depth",), "can't stand beside hidden_layers"),
    ],
)
def test_what_can_not_be_searched_is_refused(raw: dict[str, Any], loc: tuple[str | int, ...], says: str) -> None:
    """The path of the field, and what would be right."""
    found = refusal(raw)
    assert [*found] == [("space", *loc)]
    assert says in found["space", *loc]


def test_every_wrong_field_is_named_at_once() -> None:
    """Nobody has to post five times to learn of five mistakes."""
    assert [*refusal({"hidden_units": 0, "depth": 9, "learning_rate": -1})] == [
        ("space", "hidden_units"),
        ("space", "depth"),
        ("space", "learning_rate"),
    ]


def test_a_grid_has_a_limit() -> None:
    """A hundred thousand cells, and a sentence beyond."""
    many = {"hidden_units": {"low": 1, "high": 1000}, "epochs": {"low": 1, "high": 1000}}
    assert "has 1,000,000 cells; a grid may have at most 100,000" in refusal(many)["space",]


def test_costs_and_sizes_are_those_of_the_network() -> None:
    """784-256-10 has 203,530 parameters; a run costs its weights times its epochs."""
    config = MLPConfig.from_params({"hidden_units": 256, "epochs": 10})
    assert config.layer_sizes(784, 10) == [(784, 256), (256, 10)]
    assert MLPConfig.from_params({"depth": 0}).layer_sizes(784, 10) == [(784, 10)]
    assert MLPConfig.from_params({"hidden_layers": [3, 5]}).layer_sizes(784, 10) == [(784, 3), (3, 5), (5, 10)]
    assert config.parameter_count(784, 10) == 203_530
    assert config.multiply_adds(784, 10) == (784 * 256 + 256 * 10) * 10


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"name": "a\\u0000b", "space": {}, "n_trials": 1}', "name"),
        ('{"name": "a", "space": {"\\ud800": 1}, "n_trials": 1}', "space"),
        ('{"name": "a", "space": {"learning_rate": 1%s}, "n_trials": 1}' % ("0" * 400), "space"),
    ],
)
def test_odd_characters_and_huge_numbers_are_no_bug_of_the_server(client: TestClient, body: str, field: str) -> None:
    """What JSON can say and Postgres, UTF-8 or a float can't hold is 422 with its path, and nothing is stored."""
    answer = client.post("/api/v1/sweeps", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert [error["loc"][0] for error in answer.json()["errors"]] == [field]
    assert client.get("/api/v1/sweeps").json()["items"] == []

"""What is known of each hyperparameter, and what is filled in."""

from dataclasses import fields

import pytest

from app.domain import configuration, hyperparameters
from app.domain.configuration import LAYER_WIDTHS, MLPConfig, with_defaults
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Number, markdown_table
from tests.support.paths import ROOT

DOCS = ROOT / "docs" / "hyperparameters.md"


def test_the_documentation_has_the_table() -> None:
    """Names, defaults, bounds and meanings in the docs are those of the code."""
    assert markdown_table() in DOCS.read_text(encoding="utf-8")


def test_each_one_says_what_it_is() -> None:
    """Those that can be changed give meaning, formula and source, and their default is a value that they take."""
    for name, parameter in HYPERPARAMETERS.items():
        assert parameter.meaning
        assert parameter.default is None or parameter.kind.problem(parameter.default) is None
        if not isinstance(parameter.kind, Category) or len(parameter.kind.names) > 1:
            assert parameter.formula, name
            assert parameter.source, name


def test_server_and_worker_know_the_same_names() -> None:
    """Every hyperparameter reaches the worker, with the same default and the same choices."""
    assert {*HYPERPARAMETERS} - {"hidden_units", "depth", *LAYER_WIDTHS} == {field.name for field in fields(MLPConfig)}
    assert MLPConfig.from_params({}) == MLPConfig()
    for names in ("ACTIVATIONS", "INITIALIZATIONS", "OPTIMIZERS", "LR_SCHEDULES"):
        assert getattr(hyperparameters, names) == getattr(configuration, names)


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_the_worker_takes_every_value_that_the_server_takes(name: str) -> None:
    """The bounds of each number and every one of the names make a configuration."""
    kind = HYPERPARAMETERS[name].kind
    values: tuple[object, ...] = ()
    if isinstance(kind, Number):
        low = kind.low + 1e-9 * kind.above
        values = (int(kind.low), int(kind.high)) if kind.whole else (low, kind.high)
    elif isinstance(kind, Category):
        values = kind.names
    for value in values:
        assert kind.problem(value) is None
        MLPConfig.from_params({name: value})


@pytest.mark.parametrize(
    ("params", "momentum"),
    [
        ({}, 0),
        ({"optimizer": "adam"}, 0),
        ({"optimizer": "momentum"}, 0.9),
        ({"optimizer": "nesterov"}, 0.9),
        ({"optimizer": "nesterov", "momentum": 0}, 0),
        ({"optimizer": "sgd", "momentum": 0.5}, 0.5),
    ],
)
def test_momentum_is_there_where_the_optimizer_is_named_after_it(params: dict[str, object], momentum: float) -> None:
    """Left out it is 0.9 for those, and 0 for the others; what is given stays."""
    assert with_defaults(params)["momentum"] == momentum

"""Constraints: what can be said, what it means, and where a mistake is."""

import operator
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.configuration import MLPConfig
from app.domain.space import Constraints, Space, check_model_fits, parse_constraints, parse_space
from app.domain.sweep_limits import MAX_CONSTRAINT_LENGTH, MAX_CONSTRAINTS
from app.errors import InvalidError

FASHION = (784, 10)


def constraints(*texts: str, space: Space | None = None) -> Constraints:
    return parse_constraints(texts, space or parse_space({}), FASHION)


@pytest.mark.parametrize(
    ("text", "params", "reason"),
    [
        ("parameters <= 500000", {"hidden_units": 1024}, "parameters <= 500000: 814,090"),
        ("parameters <= 500000", {"hidden_units": 512}, None),
        ("hidden_units_1 >= hidden_units_2", {"depth": 2, "hidden_units_1": 8, "hidden_units_2": 16}, "8 and 16"),
        ("hidden_units_1 >= hidden_units_2", {"depth": 2, "hidden_units_1": 8, "hidden_units": 4}, None),
        ("hidden_units_1 >= hidden_units_2", {"depth": 1, "hidden_units_1": 8, "hidden_units": 9}, None),
        ("learning_rate * batch_size < 64", {"learning_rate": 0.4}, "learning_rate * batch_size < 64: 102.4"),
        ("learning_rate * batch_size < 64", {}, None),
        ("2 * (depth + 1) - 3 == 3", {"depth": 2}, None),
        ("2 * depth + 1 != 5", {"depth": 2}, "2 * depth + 1 != 5: 5"),
        ("-depth > -2", {"depth": 2}, "-depth > -2: -2 and -2"),
        ("1 / momentum < 5", {}, "1 / momentum < 5: can't be computed"),
        ("12 / 2 / 3 == depth", {"depth": 2}, None),
        ("1.5e1 - 5 - 5 == epochs", {"epochs": 5}, None),
    ],
)
def test_a_configuration_satisfies_it_or_says_by_which_numbers_it_does_not(
    text: str, params: dict[str, Any], reason: str | None
) -> None:
    """What is left out has the book's value; a constraint on a layer that is not there holds."""
    broken = constraints(text).broken(params)
    assert broken is reason if reason is None else broken is not None and broken.endswith(reason)


@given(
    a=st.integers(1, 50), b=st.integers(1, 50), c=st.integers(1, 50), sign=st.sampled_from(["<=", "<", ">=", ">", "=="])
)
def test_arithmetic_is_python_s(a: int, b: int, c: int, sign: str) -> None:
    """Precedence, brackets and signs as everywhere, whatever the numbers are."""
    params = {"hidden_units": a, "epochs": b, "batch_size": c}
    left, right = -a + b * (c - a) / 2, b - -c * 3
    compare = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}[sign]
    text = f"-hidden_units + epochs * (batch_size - hidden_units) / 2 {sign} epochs - -batch_size * 3"
    assert (constraints(text).broken(params) is None) == compare(left, right)


@pytest.mark.parametrize("hidden_units", [1, 8, 600, 4096])
def test_samplers_learn_how_far_it_is_from_holding(hidden_units: int) -> None:
    """Above 0 where it is broken, by more the worse, and at most 0 where it holds."""
    params = {"hidden_units": hidden_units}
    gap = constraints("parameters <= 500000").violations(params)["parameters <= 500000"]
    count = MLPConfig.from_params(params).parameter_count(*FASHION)
    assert gap == pytest.approx((count - 500_000) / max(count, 500_000))
    assert (gap > 0) == (constraints("parameters <= 500000").broken(params) is not None)


def test_a_strict_comparison_is_broken_where_both_sides_are_equal() -> None:
    """A sampler would take a gap of 0 as satisfied."""
    assert constraints("depth < 2").violations({"depth": 2})["depth < 2"] > 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at character 1: a number, a hyperparameter or an opening bracket is missing"),
        ("depth", "at character 6: a comparison such as <= is missing"),
        ("depth <", "at character 8: a number, a hyperparameter or an opening bracket is missing"),
        ("depht < 3", "at character 1: 'depht' is no hyperparameter, and not parameters, the size of the model"),
        ("activation == 3", "at character 1: activation is no number"),
        ("1 < depth < 3", "at character 11: has a second comparison: write two constraints"),
        ("depth < (3", "at character 11: a closing bracket is missing"),
        ("depth < 3)", "at character 10: ')' was not expected"),
        ("depth ** 2 < 3", "at character 8: a number, a hyperparameter or an opening bracket is missing"),
        ("depth < 1e999", "at character 9: the number is too large"),
        ("__import__('os') < 1", "at character 12: \"'\" can't be read"),
        ("depth.real < 1", "at character 6: '.' can't be read"),
        ("2 < 3", "names no hyperparameter"),
    ],
)
def test_a_mistake_is_said_with_its_place(text: str, says: str) -> None:
    """The field, the character, and what is wrong there."""
    with pytest.raises(InvalidError) as caught:
        constraints("depth < 3", text)
    (error,) = caught.value.errors
    assert error.loc == ("constraints", 1)
    assert error.msg.startswith(says)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands there, it is never run and never breaks the parser."""
    with suppress(InvalidError):
        constraints(text).broken({"depth": 2})


def test_widths_by_name_can_not_stand_beside_hidden_layers() -> None:
    """The list says every width."""
    space = parse_space({"hidden_layers": [[8], [8, 4]]})
    with pytest.raises(InvalidError, match="can't be read") as caught:
        constraints("hidden_units_1 > 4", space=space)
    assert "this space has hidden_layers in place of hidden_units_1" in caught.value.errors[0].msg
    assert constraints("parameters < 100", space=space).broken({"hidden_layers": [8]}) is not None


def test_a_constraint_lets_a_space_hold_models_that_would_not_fit() -> None:
    """They are never trained."""
    space = parse_space({"hidden_units": {"low": 1, "high": 65536}, "depth": [1, 3]})
    with pytest.raises(InvalidError, match="can't fit"):
        check_model_fits(space, FASHION, seeds=1)
    bounded = constraints("parameters <= 1e6", "depth < 9")
    check_model_fits(space, FASHION, seeds=1, max_parameters=bounded.max_parameters())


@pytest.mark.parametrize("text", ["(" * 190 + "1", "-" * 190 + "epochs > 1", "(" * 40 + "epochs" + ")" * 40 + " > 1"])
def test_brackets_are_counted_before_they_are_too_many(text: str) -> None:
    """As an error with its place; nesting was once an error of the server."""
    with pytest.raises(InvalidError) as raised:
        constraints(text)
    assert "more than 30 brackets and signs stand within each other" in raised.value.errors[0].msg


numbers = st.sampled_from(
    ["hidden_units", "hidden_units_2", "depth", "momentum", "learning_rate", "parameters", "0", "3"]
)
terms = st.recursive(
    numbers,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner) | st.builds("-{}".format, inner)
    ),
    max_leaves=6,
)
comparisons = st.builds("{} {} {}".format, terms, st.sampled_from(["<=", "<", ">=", ">", "==", "!="]), terms)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "hidden_units": st.integers(1, 64),
        "depth": st.integers(0, 3),
        "hidden_units_2": st.integers(1, 64),
        "momentum": st.sampled_from([0, 0.5, 1]),
        "optimizer": st.sampled_from(["sgd", "nesterov"]),
        "learning_rate": st.sampled_from([0.1, 1, 1e6]),
        "batch_norm": st.booleans(),
    },
)


@settings(deadline=None)
@given(texts=st.lists(comparisons, min_size=1, max_size=3), many=st.lists(configurations, max_size=8))
def test_a_grid_is_judged_as_each_of_its_cells(texts: list[str], many: list[dict[str, Any]]) -> None:
    """The same reasons, word for word, also for divisions by 0, layers that are not there, and what is left out."""
    with suppress(InvalidError):  # a comparison of mere numbers
        parsed = constraints(*texts)
        assert parsed.broken_by_all(many) == [parsed.broken(params) for params in many]


def test_the_constraints_of_a_large_grid_take_seconds() -> None:
    """As many and as long ones as can be posted, on as many cells: once that took a minute and a half."""
    space = parse_space({"hidden_units": {"low": 1, "high": 1000}, "learning_rate": [n / 100 for n in range(1, 101)]})
    text = "hidden_units" + " + 1" * 46 + " > 0"
    assert len(text) <= MAX_CONSTRAINT_LENGTH
    begin = time.monotonic()
    reasons = constraints(*[text] * MAX_CONSTRAINTS, space=space).broken_by_all(list(space.grid()))
    assert time.monotonic() - begin < 20
    assert reasons == [None] * 100_000

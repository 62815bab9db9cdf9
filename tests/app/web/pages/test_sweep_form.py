"""The form's own language for search spaces, and what it says when it is misused."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.configuration import ACTIVATIONS
from app.domain.tasks import EVERY_HYPERPARAMETER
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate
from app.web.pages.new_sweep.form import (
    EXAMPLE,
    body_from_form,
    budget,
    errors_by_field,
    form_from_body,
    form_from_json,
    sweep_from_form,
)
from app.web.pages.new_sweep.space_text import domain_text, parse_domain

numbers = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
scalars = numbers | st.booleans() | st.sampled_from(ACTIVATIONS)
ranges = st.fixed_dictionaries(
    {"low": numbers, "high": numbers}, optional={"log": st.just(True), "step": st.floats(0.001, 10)}
)
widths = st.lists(st.integers(1, 4096), max_size=4)


@given(scalars | st.lists(scalars, min_size=1, max_size=6) | ranges)
def test_what_is_shown_for_a_domain_reads_back_as_it(domain: Any) -> None:
    """A sweep can be a template for the next: no value changes on its way through the form."""
    read = parse_domain("learning_rate", domain_text("learning_rate", domain))
    assert (read, _types(read)) == (domain, _types(domain))


@given(widths | st.lists(widths, min_size=1, max_size=4))
def test_widths_of_layers_read_back(domain: Any) -> None:
    """Lists of widths, and choices of such lists, are told apart."""
    assert parse_domain("hidden_layers", domain_text("hidden_layers", domain)) == domain


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
conditions = st.dictionaries(
    st.sampled_from(["optimizer", "depth"]) | words, scalars | words | st.lists(scalars | words, max_size=3), max_size=2
)
domains = (
    scalars
    | words
    | st.lists(scalars | words, min_size=1, max_size=4)
    | widths
    | st.lists(widths, min_size=1, max_size=3)
    | ranges
    | st.fixed_dictionaries({"low": numbers, "high": numbers, "when": st.just({"optimizer": ["sgd"]})})
    | st.fixed_dictionaries({"values": st.lists(scalars, max_size=3), "when": conditions})
    | st.fixed_dictionaries({"value": scalars | words, "when": conditions})
    | st.fixed_dictionaries({"choices": st.lists(scalars, min_size=1, max_size=3), "when": st.just({"depth": 2})})
)
objectives = st.sampled_from([{"metric": "val_loss", "direction": "minimize"}, {"metric": "train_accuracy"}, {}])
fields: dict[str, st.SearchStrategy[Any]] = {
    "task": st.sampled_from(["train_mlp", "time_training", "time_matmul"]),
    "dataset": st.sampled_from(["digits", "fashion_mnist"]),
    "constraints": st.lists(words, max_size=3),
    "sampler": st.sampled_from(
        [
            "tpe",
            "qmc",
            {"name": "random"},
            {"name": "tpe", "n_startup_trials": 20},
            {"name": "qmc", "sequence": "halton"},
        ]
    ),
    "pruner": st.sampled_from(
        [None, "median", {"name": "median"}, {"name": "one_epoch", "keep": 3}, {"name": "patient", "wrapped": "median"}]
    ),
    "n_trials": st.none() | st.integers(1, 10_000),
    "seeds": st.integers(1, 20) | st.sampled_from([{"first": 1, "survivors": 3}, {"survivors": 3}]),
    "warm_start": st.sampled_from([None, [3], [3, 7], {"sweeps": [3]}, {"sweeps": [3], "trials": 9}]),
    "repeats": st.sampled_from(["reuse", "new_seeds", "forbid"]),
    "seed": st.integers(0, 2**31),
    "split": st.sampled_from(["holdout", "book"]),
    "objective": objectives,
    "objectives": st.sampled_from(
        [None, [{"metric": "val_loss", "direction": "minimize"}, {"metric": "seconds", "direction": "minimize"}]]
    ),
    "best_by": st.sampled_from(["mean", "lower_bound"]),
    "stop": st.none()
    | st.fixed_dictionaries(
        {},
        optional={"seconds": st.floats(0.1, 1e6) | st.none(), "target": st.floats(0, 1), "failures": st.integers(1, 9)},
    ),
    "keep_models": st.sampled_from(["best", "all"]),
    "diagnostics": st.booleans(),
    "notes": st.just("") | words,
    "tags": st.lists(st.sampled_from(["a", "b; c", "ü", "d, e"]), max_size=3),
    "priority": st.integers(-100, 100),
    "device": st.sampled_from([None, "cuda", "cpu", "mps"]),
    "webhook": st.none() | st.just({"url": "https://example.org/hook", "secret": "whsec_" + "A" * 32}),
}
json_values = st.recursive(
    st.none() | scalars | words,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from(list(fields)), inner, max_size=3)
    ),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {"name": words, "space": st.dictionaries(st.sampled_from([*EVERY_HYPERPARAMETER, "unknown"]), domains, max_size=6)},
    optional=fields,
)


def test_the_bodies_below_have_every_field() -> None:
    """A new field of the API is tried too."""
    assert {"name", "space", *fields} == set(SweepCreate.model_fields)


@given(bodies)
def test_a_body_comes_back_from_the_form(body: dict[str, Any]) -> None:
    """A duplicate keeps everything: body to form to body is the identity, with the order and the types of the space."""
    form = form_from_body(body)
    single_lines = {name: text for name, text in form.items() if name not in {"constraints", "notes", "more"}}
    assert not [text for text in single_lines.values() if "\n" in text or "\r" in text]  # a browser would drop them
    sent = {name: text.replace("\n", "\r\n") for name, text in form.items()}  # as it is posted
    read, errors = body_from_form(sent)
    assert errors == []
    assert list(read["space"]) == list(body["space"])
    assert json.dumps(read["space"], sort_keys=True) == json.dumps(body["space"], sort_keys=True)
    assert _checked(read) == _checked(body)


@given(st.dictionaries(st.sampled_from(sorted(SweepCreate.model_fields)), json_values, max_size=5))
@example({"stop": {"no such rule": None}})
@example({"space": {"hidden_units": {"lowest": 1, "highest": 2}}})
def test_any_json_comes_back_from_the_form(body: dict[str, Any]) -> None:
    """Also what no sweep can be: it is refused from the form too, and the form never fails."""
    if not isinstance(body.get("space", {}), dict):
        with pytest.raises(ValueError, match='"space" is an object'):
            form_from_json(json.dumps(body))
        return
    read, _ = body_from_form(form_from_json(json.dumps(body)))
    usual = {"name": "", "dataset": "fashion_mnist", "split": "holdout", "sampler": "random", "seeds": 1, "space": {}}
    posted, checked = _checked(read), _checked(usual | body)
    assert posted == checked or (isinstance(posted, list) and isinstance(checked, list))


def _checked(body: dict[str, Any]) -> Any:
    """The body as the API takes it, or why it does not."""
    try:
        sweep = SweepCreate.model_validate(body)
    except ValidationError as error:
        return [finding["msg"] for finding in error.errors()]
    # an objective beside several ones is checked to be the first of them, and otherwise of no account
    return sweep.model_copy(update={"objective": None}) if sweep.objectives else sweep


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("{", "Is no JSON"),
        ("[" * 100_000, "Is no JSON: it is nested too deeply"),
        ('{"seed": NaN}', "Is no JSON: NaN is no number"),
        ("[]", "Must be an object with fields of the body"),
        ('{"seeds": 3}', "Has seeds, which is also typed in its own field"),
        ('{"space": {"epochs": 3}}', "Has epochs, which is also typed in its own field"),
        ('{"webhook": {"url": "https://x.example", "secret": 1}}', "Webhook secret must be a text, not 1"),
        ('{"colour": 1}', "Colour is unknown; leave it out"),
    ],
)
def test_what_is_wrong_in_the_json_is_said_there(typed: str, message: str) -> None:
    """Also what only the body's own checks find."""
    with pytest.raises(InvalidError) as caught:
        sweep_from_form({**EXAMPLE, "more": typed})
    (sentence,) = errors_by_field(caught.value.errors)["more"]
    assert sentence.startswith(message)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("256", 256),
        ("8, 64,256", [8, 64, 256]),
        ("8,", [8]),
        ("relu, tanh", ["relu", "tanh"]),
        ("1..3", {"low": 1, "high": 3}),
        (".001 .. 1 log", {"low": 0.001, "high": 1, "log": True}),
        ("0 .. 0.5 step 0.1", {"low": 0, "high": 0.5, "step": 0.1}),
        ('{"low": 1, "high": 3}', {"low": 1, "high": 3}),
        ("[8, 64]", [8, 64]),
    ],
)
def test_domains_are_typed_briefly(typed: str, meant: Any) -> None:
    """A constant, a list, a range, or the API's own JSON."""
    assert parse_domain("hidden_units", typed) == meant


@pytest.mark.parametrize("typed", ["1 ..", ".. 2", "a .. b", "1 .. 2 logs", "[8, 64", "1 .. 2 step x"])
def test_what_can_not_be_read_is_said(typed: str) -> None:
    """A half-typed range or JSON is refused, never guessed."""
    with pytest.raises(ValueError, match=r"must be LOW \.\. HIGH|is no JSON"):
        parse_domain("hidden_units", typed)


def test_the_example_is_a_sweep() -> None:
    """The form starts with something that can be posted as it stands, and says how much that is."""
    sweep = sweep_from_form(EXAMPLE)
    assert budget(sweep) == "16 trials, each with 2 seeds: 32 trainings."
    assert form_from_body(sweep.model_dump() | {"sampler": "tpe"}) == EXAMPLE


def test_a_grid_counts_its_cells() -> None:
    """A grid has its own number of trials, whatever was typed for another sampler."""
    sweep = sweep_from_form({**EXAMPLE, "sampler": "grid", "learning_rate": "0.1, 1", "seeds": "1"})
    assert (sweep.n_trials, budget(sweep)) == (None, "6 trials, each trained once.")


def test_every_wrong_field_is_named_at_once() -> None:
    """Nobody corrects one field only to be told of the next."""
    wrong = {
        **EXAMPLE,
        "name": " ",
        "seeds": "x",
        "hidden_units": "3, 0",
        "learning_rate": "1 .. 0.1",
        "epochs": "1 ..",
    }
    with pytest.raises(InvalidError) as caught:
        sweep_from_form(wrong)
    assert errors_by_field(caught.value.errors) == {
        "epochs": ["Must be LOW .. HIGH, perhaps with step 0.1 or log behind it, e.g. 0.001 .. 1 log"],
        "hidden_units": ["Value 2 must be at least 1 and at most 65536, not 0"],
        "learning_rate": ["Runs from 1 to 0.1: low must be less than high"],
        "name": ["Is missing"],
        "seeds": ["Must be a whole number"],
    }


@pytest.mark.parametrize("pruner", ["median", {"name": "one_epoch", "keep": 8}])
def test_a_pruner_goes_through_the_form(pruner: Any) -> None:
    """A name as it is, options as JSON; what is neither is said."""
    typed = form_from_body(sweep_from_form(EXAMPLE).model_dump() | {"pruner": pruner})
    body, errors = body_from_form(typed)
    assert (body["pruner"], errors) == (pruner, [])
    sweep = sweep_from_form(typed).pruner
    assert sweep is not None
    assert sweep.name == (pruner if isinstance(pruner, str) else pruner["name"])
    _, errors = body_from_form({**EXAMPLE, "pruner": "{name"})
    assert errors_by_field(errors) == {"pruner": ["Is no JSON; a name such as median will do"]}


def test_fields_left_empty_are_left_out() -> None:
    """What is not said has the book's value, so it is no part of the body."""
    body, errors = body_from_form({"name": "n", "sampler": "random", "n_trials": "", "epochs": " "})
    assert (body, errors) == ({"name": "n", "sampler": "random", "space": {}}, [])


def _types(domain: Any) -> Any:
    """1 and 1.0 and true are equal; here they must also be the same."""
    if isinstance(domain, dict):
        return {key: _types(value) for key, value in domain.items()}
    if isinstance(domain, list):
        return [_types(value) for value in domain]
    return (type(domain), math.copysign(1, domain)) if isinstance(domain, float) else type(domain)


def test_conditions_and_constraints_go_through_the_form() -> None:
    """A condition is typed as JSON, a constraint a line, and both come back as they were."""
    momentum = {"low": 0.0, "high": 0.9, "when": {"optimizer": "sgd"}}
    form = {**EXAMPLE, "optimizer": "sgd, adam", "constraints": "parameters <= 5e5\n\n hidden_units > 4 "}
    form |= {"sampler": "cmaes", "momentum": domain_text("momentum", momentum)}
    body = sweep_from_form(form)
    assert (body.sampler.name, body.constraints) == ("cmaes", ["parameters <= 5e5", "hidden_units > 4"])
    assert body.space["momentum"] == momentum
    back = form_from_body(body.model_dump() | {"sampler": "cmaes"})
    assert back["constraints"] == "parameters <= 5e5\nhidden_units > 4"


def test_a_field_of_any_length_is_read_at_once() -> None:
    """48 KB that once kept the server busy for a minute; the form says how much a field can have."""
    text = "..1" * 16_000 + " x"
    begin = time.monotonic()
    with pytest.raises(ValueError, match=r"must be LOW \.\. HIGH"):
        parse_domain("learning_rate", text)
    assert time.monotonic() - begin < 5
    with pytest.raises(InvalidError) as raised:
        sweep_from_form(dict(EXAMPLE) | {"learning_rate": text})
    assert FieldError(("learning_rate",), "can have at most 20,000 characters") in raised.value.errors


@pytest.mark.parametrize("field", ["hidden_units", "pruner"])
def test_json_that_is_nested_too_deeply_is_refused(field: str) -> None:
    """With the sentence that any other broken JSON gets."""
    with pytest.raises(InvalidError) as raised:
        sweep_from_form(dict(EXAMPLE) | {field: '{"a": ' * 3_000})
    assert any(error.msg.startswith("is no JSON;") for error in raised.value.errors)


@pytest.mark.parametrize("text", ["9" * 400, "-" + "9" * 400, "9" * 400 + " .. 1", "1e400"])
def test_a_number_beyond_all_floats_is_refused(text: str) -> None:
    """Beside its field, as any other text that is no number."""
    with pytest.raises(InvalidError) as raised:
        sweep_from_form(dict(EXAMPLE) | {"learning_rate": text})
    assert {error.loc[:2] for error in raised.value.errors} == {("space", "learning_rate")}


def test_a_condition_is_typed_in_words() -> None:
    """Behind the values, and said in the same words again."""
    text = "0.5 .. 0.9 if optimizer is momentum or nesterov and depth is 2"
    domain = {"low": 0.5, "high": 0.9, "when": {"optimizer": ["momentum", "nesterov"], "depth": 2}}
    assert parse_domain("momentum", text) == domain
    assert domain_text("momentum", domain) == text
    with pytest.raises(ValueError, match="condition that can't be read"):
        parse_domain("momentum", "0.9 if optimizer")


def test_each_rule_has_a_field_of_its_own() -> None:
    """What is wrong with it is told there."""
    typed = {"stop_seconds": "-1", "survivors": "3", "objective": "maximize val_acuracy", "warm_start": "3, x"}
    with pytest.raises(InvalidError) as caught:
        sweep_from_form({**EXAMPLE, **typed})
    sentences = errors_by_field(caught.value.errors)
    assert set(sentences) == {"stop_seconds", "survivors", "objective", "warm_start"}
    assert sentences["objective"][0].endswith("did you mean val_accuracy?")

"""The dashboard's form for a sweep: what was typed becomes the body that the JSON API takes, and back. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.domain.comparisons.survivors import places
from app.domain.formatting import plural
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Hyperparameter
from app.domain.sampling import traits_of
from app.domain.space import parse_space
from app.domain.tasks import EVERY_HYPERPARAMETER, TASKS
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate
from app.web.error_handlers import field_errors, shortened
from app.web.pages.labels import sentence
from app.web.pages.new_sweep.settings import SETTINGS, STOP_FIELDS, field_of, parse_json, read_parts, typed_part
from app.web.pages.new_sweep.space_text import domain_text, parse_domain

Form = Mapping[str, str]

# those that can be other than the book's value
ADJUSTABLE: dict[str, Hyperparameter] = {
    name: parameter
    for name, parameter in HYPERPARAMETERS.items()
    if not isinstance(parameter.kind, Category) or len(parameter.kind.names) > 1
}

# the same, and those of the tasks that time
TYPED: dict[str, Hyperparameter] = ADJUSTABLE | {
    name: parameter for name, parameter in EVERY_HYPERPARAMETER.items() if name not in HYPERPARAMETERS
}

# in the order in which they stand in the form; `more` has as JSON what the others lack
FIELDS = (*SETTINGS[: SETTINGS.index("best_by")], *TYPED, *SETTINGS[SETTINGS.index("best_by") :], "more")

EXAMPLE: Form = {
    "name": "Width and learning rate",
    "dataset": "fashion_mnist",
    "split": "holdout",
    "sampler": "tpe",
    "n_trials": "16",
    "seeds": "2",
    "hidden_units": "16, 64, 256",
    "learning_rate": "0.01 .. 1 log",
    "epochs": "5",
}

# of fewer examples an epoch has few steps, and the book's batches make five epochs of them too few
SMALL_DATASET = 10_000
SMALL_EXAMPLE: Form = {"batch_size": "32", "epochs": "20"}

MAX_FIELD_LENGTH = 20_000  # characters, of which a list of 1,000 values has enough
MAX_MORE_LENGTH = 250_000  # of the field for everything else, where notes are

# what the lists of the form say of a body that does not
_ALWAYS_CHOSEN = {"dataset": "fashion_mnist", "split": "holdout", "sampler": "random", "seeds": 1}

# pydantic's types of errors for which the form has plainer words
_ALWAYS_TYPED = ("name", "dataset", "split", "sampler", "n_trials", "seeds")

_PLAIN_WORDS = {"string_too_short": "is missing", "int_type": "must be a whole number", "missing": "is missing"}


def sweep_from_form(form: Form) -> SweepCreate:
    """The body that a filled form stands for. Raises InvalidError that names every wrong field at once."""
    body, errors = body_from_form(form)
    try:
        parse_space(body["space"], _task(body))
    except InvalidError as error:
        errors += error.errors
    try:
        sweep = SweepCreate.model_validate(body)
    except ValidationError as error:
        for finding, field in zip(error.errors(), field_errors(error.errors()), strict=True):
            errors.append(FieldError(field.loc, _PLAIN_WORDS.get(finding["type"]) or shortened(field.msg)))
    if errors:
        raise InvalidError("Some fields can't be used as they are.", errors)
    return sweep


def body_from_form(form: Form) -> tuple[dict[str, Any], list[FieldError]]:
    """The JSON body, and what is wrong with fields that can't be read; those are left out of it."""
    errors = [
        FieldError((name,), f"can have at most {_max_length(name):,} characters")
        for name in FIELDS
        if len(form.get(name, "")) > _max_length(name)
    ]
    too_long = {error.loc[0] for error in errors}
    texts = {name: text for name in FIELDS if name not in too_long and (text := form.get(name, "").strip())}
    body: dict[str, Any] = {}
    for part, error in read_parts(texts):
        body |= part
        if error:
            errors.append(FieldError((error.field,), str(error)))
    if body.get("sampler") == "grid":  # it has its own number of trials
        body.pop("n_trials", None)
    space, space_errors = _parse_space(texts)
    extra, extra_errors = _parse_more(texts.get("more", "{}"), body, space)
    space |= extra.pop("space", {})
    order = [name for name in form.get("order", "").split(",") if name in space]
    ordered_space = {name: space[name] for name in (*order, *space)}
    return {"name": "", **body, "space": ordered_space, **extra}, [*errors, *space_errors, *extra_errors]


def _task(body: Mapping[str, Any]) -> str:
    """The task of the body, which is a network's training unless it says otherwise."""
    return str(body.get("task")) if str(body.get("task")) in TASKS else "train_mlp"


def _max_length(name: str) -> int:
    return MAX_MORE_LENGTH if name == "more" else MAX_FIELD_LENGTH


def form_from_body(body: Mapping[str, Any]) -> dict[str, str]:
    """What to type for a body of the API: the inverse of `body_from_form`.

    What the form has no field for, or what its field can't express, is JSON in the field `more`.
    """
    form: dict[str, str] = {}
    extra: dict[str, Any] = {}
    for name, value in _worth_typing(body).items():
        texts = typed_part(name, value)
        if texts is None:
            extra[name] = value
        else:
            form |= texts
    for name, domain in body["space"].items():
        text = _domain_text(name, domain)
        if text and _reads_back(name, text, domain):
            form[name] = text
        else:
            extra.setdefault("space", {})[name] = domain
    if extra:
        form["more"] = json.dumps(extra, indent=2, ensure_ascii=False)
    usual_order = [*(name for name in TYPED if name in form), *extra.get("space", {})]
    return form if usual_order == [*body["space"]] else form | {"order": ",".join(body["space"])}


def form_from_json(text: str) -> dict[str, str]:
    """What to type for a body that is written as JSON. Raises ValueError with a sentence."""
    if len(text) > MAX_MORE_LENGTH:
        raise ValueError(f"The JSON can have at most {MAX_MORE_LENGTH:,} characters.")
    try:
        body = parse_json(text)
    except ValueError as error:
        raise ValueError(f"This is no JSON yet: {error}.") from None
    if not isinstance(body, dict):
        raise ValueError('The body is an object, such as {"name": "width", "space": {"hidden_units": [8, 64]}}.')
    if not isinstance(body.get("space", {}), dict):
        raise ValueError('"space" is an object, such as {"hidden_units": [8, 64]}.')
    return form_from_body(_ALWAYS_CHOSEN | {"space": {}} | body)


def _parse_space(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[FieldError]]:
    space: dict[str, Any] = {}
    errors = []
    for name in [name for name in TYPED if name in texts]:
        try:
            space[name] = parse_domain(name, texts[name])
        except ValueError as error:
            errors.append(FieldError(("space", name), str(error)))
    return space, errors


def _parse_more(
    text: str, body: Mapping[str, Any], space: Mapping[str, Any]
) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that are typed as JSON. One that has a field of its own too must be typed in one of them."""
    try:
        extra = parse_json(text)
    except ValueError as error:
        return {}, [FieldError(("more",), f"is no JSON: {error}")]
    if not isinstance(extra, dict) or not isinstance(extra.get("space", {}), dict):
        return {}, [FieldError(("more",), 'must be an object with fields of the body, such as {"seed": 1}')]
    twice = [name for name in extra if name in body] + [name for name in extra.get("space", {}) if name in space]
    return extra, [FieldError(("more",), f"has {name}, which is also typed in its own field") for name in twice]


def _worth_typing(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the body that are not what they would be anyway, but for the space."""
    fields = {name: value for name, value in body.items() if name != "space" and not _is_default(name, value)}
    if body.get("objectives"):
        fields.pop("objective", None)  # the first of them
    if typed_part("sampler", body.get("sampler")) == {"sampler": "grid"}:
        fields.pop("n_trials", None)  # it has its own number of trials
    if isinstance(stop := fields.get("stop"), dict):
        unset = {rule for rule in STOP_FIELDS.values() if stop.get(rule) is None}
        fields["stop"] = {rule: value for rule, value in stop.items() if rule not in unset}
    return fields


def _is_default(name: str, value: Any) -> bool:
    """Whether a field that the form need not show has the value that it has if left out."""
    if name in _ALWAYS_TYPED:
        return False
    field = SweepCreate.model_fields.get(name)
    default = field.get_default(call_default_factory=True) if field else ...
    usual = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
    return type(value) is type(usual) and bool(value == usual)  # 0 is not false


def _domain_text(name: str, domain: Any) -> str | None:
    """What to type for a hyperparameter, None where it has no field or this is no domain of it."""
    try:
        return domain_text(name, domain) if name in TYPED else None
    except (TypeError, KeyError):
        return None


def _reads_back(name: str, text: str, value: Any) -> bool:
    """Whether the form makes the same domain of this text, 1 and 1.0 and true being different ones."""
    if "\n" in text or "\r" in text:
        return False  # a field of one line drops it
    body, errors = body_from_form({name: text})
    return not errors and json.dumps(body["space"].get(name), sort_keys=True) == json.dumps(value, sort_keys=True)


def errors_by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    """Sentences by the field of the form that they belong to; `space` is the search space as a whole."""
    sentences: dict[str, list[str]] = {}
    for loc, msg in errors:
        field, depth = (str(loc[1]), 2) if loc[0] == "space" and len(loc) > 1 else field_of(loc)
        if field not in {*FIELDS, "space"}:
            field, depth = "more", 0
        inner = [f"value {part + 1}" if isinstance(part, int) else part for part in loc[depth:]]
        sentences.setdefault(field, []).append(sentence(" ".join([*inner, msg])))
    return sentences


def budget(sweep: SweepCreate) -> str:
    """`12 trials, each with 3 seeds: 36 trainings.` Raises InvalidError where a grid can't be counted."""
    trials = (
        parse_space(sweep.space, sweep.task).grid_size()
        if traits_of(sweep.sampler.name).enumerates
        else sweep.n_trials or 0
    )
    seeds = sweep.first_seeds
    if sweep.survivor_seeds is not None:
        survivors = places(trials, is_final=True)
        trainings = plural(trials * seeds + survivors * (sweep.survivor_seeds - seeds), "training")
        runs = f"each with {plural(seeds, 'seed')} and at most {survivors:,} of them with {sweep.survivor_seeds}"
        return f"{plural(trials, 'trial')}, {runs}: at most {trainings}."
    if seeds == 1:
        return f"{plural(trials, 'trial')}, each trained once."
    return f"{plural(trials, 'trial')}, each with {seeds} seeds: {plural(trials * seeds, 'training')}."

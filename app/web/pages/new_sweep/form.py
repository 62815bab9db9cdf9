"""The dashboard's form for a sweep: what was typed becomes the body that the JSON API takes, and back. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.domain.body import plain_sentence
from app.domain.comparisons.survivors import places
from app.domain.formatting import plural
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Hyperparameter
from app.domain.sampling import traits_of
from app.domain.space import parse_space
from app.domain.tasks import TASKS
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate
from app.web.pages.labels import sentence
from app.web.pages.new_sweep.space_text import domain_text, parse_domain, parse_scalar

Form = Mapping[str, str]

# those that can be other than the book's value
ADJUSTABLE: dict[str, Hyperparameter] = {
    name: parameter
    for name, parameter in HYPERPARAMETERS.items()
    if not isinstance(parameter.kind, Category) or len(parameter.kind.names) > 1
}

# in the order in which they stand in the form; `more` has as JSON what the others lack
FIELDS = ("name", "dataset", "split", "sampler", "n_trials", "seeds", "pruner", *ADJUSTABLE, "constraints", "more")

_ONE_LINE = ("name", "dataset", "split", "sampler", "n_trials", "seeds", "pruner")

# what to type in fields that also take JSON
_OPTIONS_HINTS = {
    "sampler": "a name such as tpe",
    "pruner": "a name such as median",
    "seeds": 'a number, or {"first": 1, "survivors": 3},',
}

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

MAX_FIELD_LENGTH = 20_000  # characters, of which a list of 1,000 values has enough
MAX_MORE_LENGTH = 250_000  # of the field for everything else, where notes are

# pydantic's types of errors for which the form has plainer words
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
        errors += [
            FieldError(finding["loc"], _PLAIN_WORDS.get(finding["type"], plain_sentence(finding["msg"])))
            for finding in error.errors()
        ]
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
    for name in (*_ONE_LINE, "constraints"):
        try:
            if name in texts:
                body[name] = _parse_field(name, texts[name])
        except ValueError as error:
            errors.append(FieldError((name,), str(error)))
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
        text = _field_text(name, value) if name in _ONE_LINE or name == "constraints" else None
        if text is not None and _reads_back(name, text, value):
            form[name] = text
        else:
            extra[name] = value
    for name, domain in body["space"].items():
        text = _domain_text(name, domain)
        if text and _reads_back(name, text, domain):
            form[name] = text
        else:
            extra.setdefault("space", {})[name] = domain
    if extra:
        form["more"] = json.dumps(extra, indent=2, ensure_ascii=False)
    usual_order = [*(name for name in ADJUSTABLE if name in form), *extra.get("space", {})]
    return form if usual_order == [*body["space"]] else form | {"order": ",".join(body["space"])}


def _parse_field(name: str, text: str) -> Any:
    """The value of a field that is no hyperparameter. Raises ValueError."""
    if name == "constraints":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if name in _OPTIONS_HINTS and text.startswith("{"):
        try:
            return _parse_json(text)
        except ValueError:
            raise ValueError(f"is no JSON; {_OPTIONS_HINTS[name]} will do") from None
    return parse_scalar(text) if name in {"n_trials", "seeds"} else text


def _parse_json(text: str) -> Any:
    """Raises ValueError for what is no JSON, also for NaN and for what is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _parse_space(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[FieldError]]:
    space: dict[str, Any] = {}
    errors = []
    for name in [name for name in ADJUSTABLE if name in texts]:
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
        extra = _parse_json(text)
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
    if _field_text("sampler", body.get("sampler")) == "grid":
        fields.pop("n_trials", None)  # it has its own number of trials
    return fields


def _is_default(name: str, value: Any) -> bool:
    """Whether a field that the form need not show has the value that it has if left out."""
    if name in _ONE_LINE and name != "pruner":
        return False
    field = SweepCreate.model_fields.get(name)
    default = field.get_default(call_default_factory=True) if field else ...
    return bool(value == (default.model_dump(mode="json") if isinstance(default, BaseModel) else default))


def _field_text(name: str, value: Any) -> str | None:
    """What to type for a field, None where it can't be typed."""
    if name in {"sampler", "pruner"} and isinstance(value, Mapping):
        ordered = {"name": value.get("name"), **value}
        return str(value["name"]) if value.keys() == {"name"} else json.dumps(ordered)
    if name == "seeds" and isinstance(value, Mapping):
        return json.dumps(value)
    if name == "constraints":
        return "\n".join(map(str, value)) if isinstance(value, list) else None
    return str(value)


def _domain_text(name: str, domain: Any) -> str | None:
    """What to type for a hyperparameter, None where it has no field or this is no domain of it."""
    try:
        return domain_text(name, domain) if name in ADJUSTABLE else None
    except (TypeError, KeyError):
        return None


def _reads_back(name: str, text: str, value: Any) -> bool:
    """Whether the form makes the same value of this text, 1 and 1.0 and true being different ones."""
    if name != "constraints" and ("\n" in text or "\r" in text):
        return False  # a field of one line drops it
    body, errors = body_from_form({name: text})
    result = body["space"].get(name) if name in ADJUSTABLE else body.get(name)
    if name in {"sampler", "pruner"} and isinstance(value, Mapping) and value.keys() == {"name"}:
        value = value["name"]
    return not errors and json.dumps(result, sort_keys=True) == json.dumps(value, sort_keys=True)


def errors_by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    """Sentences by the field of the form that they belong to; `space` is the search space as a whole."""
    sentences: dict[str, list[str]] = {}
    for loc, msg in errors:
        depth = 2 if loc[0] == "space" and len(loc) > 1 else 1
        field = str(loc[depth - 1])
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

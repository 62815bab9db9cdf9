"""The dashboard's form for a sweep: what was typed becomes the body that the JSON API takes, and back. Pure."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from app.domain.formatting import plural
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Hyperparameter
from app.domain.space import parse_space
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate

Form = Mapping[str, str]

# those that can be other than the book's value
FREE: dict[str, Hyperparameter] = {
    name: parameter
    for name, parameter in HYPERPARAMETERS.items()
    if not isinstance(parameter.kind, Category) or len(parameter.kind.names) > 1
}

FIELDS = ("name", "dataset", "split", "sampler", "n_trials", "seeds", "pruner", *FREE, "constraints")  # as in the form

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

_RANGE = re.compile(r"(?P<low>\S+?)\s*\.\.\s*(?P<high>[^\s.]\S*|\.\d\S*)(?:\s+step\s+(?P<step>\S+))?(?P<log>\s+log)?")
_RANGE_HELP = "must be LOW .. HIGH, perhaps with step 0.1 or log behind it, e.g. 0.001 .. 1 log"
_PLAINER = {"string_too_short": "is missing", "int_type": "must be a whole number", "missing": "is missing"}


def sweep_from_form(form: Form) -> SweepCreate:
    """The body that a filled form stands for. Raises InvalidError that names every wrong field at once."""
    body, errors = body_from_form(form)
    try:
        parse_space(body["space"])
    except InvalidError as error:
        errors += error.errors
    try:
        sweep = SweepCreate.model_validate(body)
    except ValidationError as error:
        errors += [FieldError(one["loc"], _PLAINER.get(one["type"], one["msg"])) for one in error.errors()]
    if errors:
        raise InvalidError("Some fields can't be used as they are.", errors)
    return sweep


def body_from_form(form: Form) -> tuple[dict[str, Any], list[FieldError]]:
    """The JSON body, and what is wrong with fields that can't be read; those are left out of it."""
    body: dict[str, Any] = {"name": form.get("name", "").strip()}
    for name in ("dataset", "split", "sampler", "n_trials", "seeds"):
        if text := form.get(name, "").strip():
            body[name] = _scalar(text) if name in {"n_trials", "seeds"} else text
    if body.get("sampler") == "grid":  # it has its own number of trials
        body.pop("n_trials", None)
    if lines := [line.strip() for line in form.get("constraints", "").splitlines() if line.strip()]:
        body["constraints"] = lines
    space: dict[str, Any] = {}
    errors = []
    if text := form.get("pruner", "").strip():
        try:
            body["pruner"] = json.loads(text) if text[0] == "{" else text
        except ValueError:
            errors.append(FieldError(("pruner",), "is no JSON; a name such as median will do"))
    for name in FREE:
        if text := form.get(name, "").strip():
            try:
                space[name] = parse_domain(name, text)
            except ValueError as error:
                errors.append(FieldError(("space", name), str(error)))
    return body | {"space": space}, errors


def form_from_body(body: Mapping[str, Any]) -> dict[str, str]:
    """What to type for a sweep as the API gives it: the inverse of `body_from_form`."""
    sampler = body["sampler"]
    form = {name: str(body[name]) for name in ("name", "dataset", "split", "seeds")}
    form["sampler"] = sampler if isinstance(sampler, str) else sampler["name"]
    if body.get("constraints"):
        form["constraints"] = "\n".join(body["constraints"])
    if form["sampler"] != "grid":
        form["n_trials"] = str(body["n_trials"])
    if pruner := body.get("pruner"):
        form["pruner"] = pruner if isinstance(pruner, str) else json.dumps(pruner)
    return form | {name: domain_text(name, domain) for name, domain in body["space"].items() if name in FREE}


def parse_domain(name: str, text: str) -> Any:
    """A constant `256`, choices `8, 64`, or a range `0.001 .. 1 log`; JSON works too. Raises ValueError."""
    if text[0] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError("is no JSON; plain values such as 8, 64, 256 will do") from None
    if ".." in text:
        return _range(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    read = _layers if name == "hidden_layers" else _scalar
    values = [read(part) for part in parts]
    return values[0] if len(values) == 1 and "," not in text else values


def domain_text(name: str, domain: Any) -> str:
    """What to type for a part of a search space: the inverse of `parse_domain`."""
    if isinstance(domain, dict) and not domain.keys() <= {"low", "high", "step", "log"}:
        return json.dumps(domain)
    if isinstance(domain, dict):
        step = f" step {domain['step']}" if domain.get("step") is not None else ""
        return f"{domain['low']} .. {domain['high']}{step}{' log' if domain.get('log') else ''}"
    if name == "hidden_layers":
        choices = domain if domain and isinstance(domain[0], list) else [domain]
        text = ", ".join("-".join(map(str, widths)) or "none" for widths in choices)
        return f"{text}," if choices is domain and len(domain) == 1 else text
    if isinstance(domain, list):
        return ", ".join(map(_scalar_text, domain)) + ("," if len(domain) == 1 else "")
    return _scalar_text(domain)


def errors_by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    """Sentences by the field of the form that they belong to; `space` is the search space as a whole."""
    sentences: dict[str, list[str]] = {}
    for loc, msg in errors:
        depth = 2 if loc[0] == "space" and len(loc) > 1 else 1
        inner = [f"value {part + 1}" if isinstance(part, int) else part for part in loc[depth:]]
        sentence = " ".join([*inner, msg])
        sentences.setdefault(str(loc[depth - 1]), []).append(sentence[:1].upper() + sentence[1:])
    return sentences


def budget(sweep: SweepCreate) -> str:
    """`12 trials, each with 3 seeds: 36 trainings`. Raises InvalidError where a grid can't be counted."""
    trials = parse_space(sweep.space).grid_size() if sweep.sampler.name == "grid" else sweep.n_trials or 0
    if sweep.seeds == 1:
        return f"{plural(trials, 'trial')}, each trained once."
    return f"{plural(trials, 'trial')}, each with {sweep.seeds} seeds: {plural(trials * sweep.seeds, 'training')}."


def _range(text: str) -> dict[str, Any]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(_RANGE_HELP)
    numbers = {key: _scalar(found[key]) for key in ("low", "high", "step") if found[key] is not None}
    if any(isinstance(number, bool | str) for number in numbers.values()):
        raise ValueError(_RANGE_HELP)
    return numbers | ({"log": True} if found["log"] else {})


def _layers(text: str) -> list[Any]:
    """`256-64` -> [256, 64]; `none` -> []."""
    return [] if text == "none" else [_scalar(width.strip()) for width in text.split("-")]


def _scalar(text: str) -> int | float | bool | str:
    if text in {"true", "false"}:
        return text == "true"
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text


def _scalar_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

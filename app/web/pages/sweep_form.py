"""The dashboard's form for a sweep: what was typed becomes the body that the JSON API takes, and back. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from app.domain.body import plain_sentence
from app.domain.formatting import plural
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Hyperparameter
from app.domain.sampling import traits_of
from app.domain.space import parse_space
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate
from app.web.pages.labels import sentence
from app.web.pages.space_text import domain_text, parse_domain, parse_scalar

Form = Mapping[str, str]

# those that can be other than the book's value
ADJUSTABLE: dict[str, Hyperparameter] = {
    name: parameter
    for name, parameter in HYPERPARAMETERS.items()
    if not isinstance(parameter.kind, Category) or len(parameter.kind.names) > 1
}

# in the order in which they stand in the form
FIELDS = ("name", "dataset", "split", "sampler", "n_trials", "seeds", "pruner", *ADJUSTABLE, "constraints")

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
_TOO_LONG = f"can have at most {MAX_FIELD_LENGTH:,} characters"

# pydantic's types of errors for which the form has plainer words
_PLAIN_WORDS = {"string_too_short": "is missing", "int_type": "must be a whole number", "missing": "is missing"}


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
        errors += [
            FieldError(finding["loc"], _PLAIN_WORDS.get(finding["type"], plain_sentence(finding["msg"])))
            for finding in error.errors()
        ]
    if errors:
        raise InvalidError("Some fields can't be used as they are.", errors)
    return sweep


def body_from_form(form: Form) -> tuple[dict[str, Any], list[FieldError]]:
    """The JSON body, and what is wrong with fields that can't be read; those are left out of it."""
    errors = [FieldError((name,), _TOO_LONG) for name in FIELDS if len(form.get(name, "")) > MAX_FIELD_LENGTH]
    too_long = {error.loc[0] for error in errors}
    texts = {name: text for name in FIELDS if name not in too_long and (text := form.get(name, "").strip())}
    body: dict[str, Any] = {"name": texts.get("name", "")}
    body |= {name: texts[name] for name in ("dataset", "split", "sampler") if name in texts}
    body |= {name: parse_scalar(texts[name]) for name in ("n_trials", "seeds") if name in texts}
    if body.get("sampler") == "grid":  # it has its own number of trials
        body.pop("n_trials", None)
    if "constraints" in texts:
        body["constraints"] = [line.strip() for line in texts["constraints"].splitlines() if line.strip()]
    space: dict[str, Any] = {}
    if "pruner" in texts:
        try:
            body["pruner"] = json.loads(texts["pruner"]) if texts["pruner"][0] == "{" else texts["pruner"]
        except (ValueError, RecursionError):
            errors.append(FieldError(("pruner",), "is no JSON; a name such as median will do"))
    for name in [name for name in ADJUSTABLE if name in texts]:
        try:
            space[name] = parse_domain(name, texts[name])
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
    return form | {name: domain_text(name, domain) for name, domain in body["space"].items() if name in ADJUSTABLE}


def errors_by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    """Sentences by the field of the form that they belong to; `space` is the search space as a whole."""
    sentences: dict[str, list[str]] = {}
    for loc, msg in errors:
        depth = 2 if loc[0] == "space" and len(loc) > 1 else 1
        inner = [f"value {part + 1}" if isinstance(part, int) else part for part in loc[depth:]]
        sentences.setdefault(str(loc[depth - 1]), []).append(sentence(" ".join([*inner, msg])))
    return sentences


def budget(sweep: SweepCreate) -> str:
    """`12 trials, each with 3 seeds: 36 trainings`. Raises InvalidError where a grid can't be counted."""
    trials = parse_space(sweep.space).grid_size() if traits_of(sweep.sampler.name).enumerates else sweep.n_trials or 0
    if sweep.seeds == 1:
        return f"{plural(trials, 'trial')}, each trained once."
    return f"{plural(trials, 'trial')}, each with {sweep.seeds} seeds: {plural(trials * sweep.seeds, 'training')}."

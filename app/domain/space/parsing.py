"""Reads the search space of a body, or says what is wrong with each of its fields."""

from collections.abc import Mapping
from typing import Any

from app.domain.configuration import LAYER_WIDTHS
from app.domain.hyperparameters import Layers, Number
from app.domain.nearest import did_you_mean
from app.domain.space.conditions import Condition, in_order, parse_condition, width_condition
from app.domain.space.domains import Choice, Constant, Domain, Range
from app.domain.space.search_space import Space
from app.domain.space.values import parse_value, problem, space_error
from app.domain.sweep_limits import MAX_CHOICES, MAX_STEPS
from app.domain.tasks import EVERY_HYPERPARAMETER, TASKS
from app.errors import FieldError, InvalidError


def parse_space(raw: Mapping[str, Any], task: str = "train_mlp") -> Space:
    """The space that a body of this task describes. Raises InvalidError that names each wrong field."""
    hyperparameters = TASKS[task].hyperparameters
    if len(raw) > 2 * len(hyperparameters):
        raise space_error((), f"names {len(raw):,} hyperparameters; there are {len(hyperparameters)}")
    errors: list[FieldError] = []
    domains: dict[str, Domain] = {}
    for name, posted in raw.items():
        if name not in hyperparameters:
            names, whose = ", ".join(hyperparameters), "" if task == "train_mlp" else f" of {task}"
            nearest_name = did_you_mean(name, hyperparameters)
            errors.append(FieldError(("space", name), f"is no hyperparameter{whose}; there are {names}{nearest_name}"))
            continue
        try:
            domains[name] = _parse_domain(name, posted)
        except InvalidError as error:
            errors.extend(error.errors)
    errors.extend(
        FieldError(("space", name), "can't stand beside hidden_layers, which says every width: leave one of them out")
        for name in ("hidden_units", "depth", *LAYER_WIDTHS)
        if name in raw and "hidden_layers" in raw
    )
    if errors:
        raise InvalidError("The search space has fields that can't be used.", errors)
    conditions = _parse_conditions(raw, domains)
    in_order(list(domains), conditions)
    return Space(domains, conditions, task)


def _parse_conditions(raw: Mapping[str, Any], domains: Mapping[str, Domain]) -> dict[str, Condition]:
    errors: list[FieldError] = []
    conditions: dict[str, Condition] = {}
    for name, posted in raw.items():
        try:
            condition: Condition = {}
            if isinstance(posted, dict) and "when" in posted:
                condition = parse_condition(name, posted["when"], domains)
            if name in LAYER_WIDTHS:
                condition = width_condition(name, condition, domains)
        except InvalidError as error:
            errors.extend(error.errors)
            continue
        if condition:
            conditions[name] = condition
    if errors:
        raise InvalidError("The search space has conditions that can't be used.", errors)
    return conditions


def _parse_domain(name: str, posted: Any) -> Domain:
    if isinstance(posted, dict):
        return _parse_object(name, {key: value for key, value in posted.items() if key != "when"})
    kind = EVERY_HYPERPARAMETER[name].kind
    if isinstance(kind, Layers):
        choices = isinstance(posted, list) and posted != [] and all(isinstance(item, list) for item in posted)
        return _choice(name, posted) if choices else Constant(parse_value(name, posted))
    return _choice(name, posted) if isinstance(posted, list) else Constant(parse_value(name, posted))


def _parse_object(name: str, posted: dict[str, Any]) -> Domain:
    """A range, `{"values": [...]}` or `{"value": ...}`: the long forms, which can have a condition."""
    kind = EVERY_HYPERPARAMETER[name].kind
    for key in ("value", "values"):
        if key in posted and len(posted) > 1:
            surplus_key = next(posted_key for posted_key in posted if posted_key != key)
            raise space_error((name, surplus_key), f"can't stand beside {key}")
    if "value" in posted:
        return Constant(parse_value(name, posted["value"], "value"))
    if "values" in posted:
        if not isinstance(posted["values"], list):
            raise space_error((name, "values"), f"must be a list, not {posted['values']!r}")
        return _choice(name, posted["values"], "values")
    if not isinstance(kind, Number):
        raise space_error(
            (name,), f"takes {'widths' if isinstance(kind, Layers) else 'names'}, not a range: {posted!r}"
        )
    return _range(name, kind, posted)


def _choice(name: str, posted: list[Any], *path: str) -> Choice:
    if not 1 <= len(posted) <= MAX_CHOICES:
        raise space_error((name, *path), f"must list between 1 and {MAX_CHOICES:,} values, not {len(posted)}")
    values = [parse_value(name, value, *path, index) for index, value in enumerate(posted)]
    for index, value in enumerate(values):
        if value in values[:index]:
            raise space_error((name, *path, index), f"lists {value!r} twice")
    return Choice(tuple(values))


def _range(name: str, kind: Number, posted: dict[str, Any]) -> Range:
    errors = [(name, key) for key in posted if key not in {"low", "high", "step", "log"}]
    if errors:
        raise space_error(errors[0], "is no part of a range; write low, high, and perhaps step, log or when")
    for key in ("low", "high"):
        if key not in posted:
            raise space_error((name, key), "is missing: a range is {'low': ..., 'high': ...}")
        if reason := problem(kind, posted[key]):
            raise space_error((name, key), reason)
    low, high, step, log = posted["low"], posted["high"], posted.get("step"), posted.get("log", False)
    _check_shape(name, low, high, step, log)
    # bounds alone don't say it: from 0 to 1 are reals, in steps of 1 two whole numbers
    if kind.whole or (step is not None and all(isinstance(number, int) for number in (low, high, step))):
        step = None if step is None else _whole_step(name, step)
        return Range(int(low), int(high), step, log, whole=True)
    return Range(float(low), float(high), None if step is None else float(step), log)


def _check_shape(name: str, low: float, high: float, step: Any, log: Any) -> None:
    if low >= high:
        raise space_error((name,), f"runs from {low!r} to {high!r}: low must be less than high")
    if not isinstance(log, bool):
        raise space_error((name, "log"), f"must be true or false, not {log!r}")
    if log and low <= 0:
        raise space_error((name, "low"), f"must be above 0 on a log scale, not {low!r}")
    if step is None:
        return
    if reason := problem(Number(0, high - low, above=True), step):
        raise space_error((name, "step"), reason)
    if log and not (isinstance(low, int) and isinstance(high, int) and type(step) is int and step == 1):
        raise space_error((name, "step"), "can't be given on a log scale, but for a step of 1 between whole numbers")
    if step < high / MAX_STEPS:
        least = f"must be at least {high / MAX_STEPS:g}, a millionth of high, not {step!r}; without a step"
        raise space_error((name, "step"), f"{least} the range holds every number between")


def _whole_step(name: str, step: float) -> int:
    if step != int(step):
        raise space_error((name, "step"), f"must be a whole number, not {step!r}")
    return int(step)

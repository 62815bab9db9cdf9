"""The space that a body describes, or what is wrong with it."""

from collections.abc import Mapping
from typing import Any

from app.domain.configuration import LAYER_WIDTHS
from app.domain.hyperparameters import HYPERPARAMETERS, Layers, Number
from app.domain.limits import MAX_CHOICES
from app.domain.space.conditions import Condition, in_order, parse_condition, width_condition
from app.domain.space.domains import Choice, Constant, Domain, Range
from app.domain.space.search_space import Space
from app.domain.space.values import checked, problem, wrong
from app.errors import FieldError, InvalidError


def parse_space(raw: Mapping[str, Any]) -> Space:
    """The space that a body describes. Raises InvalidError that names each wrong field."""
    errors: list[FieldError] = []
    domains: dict[str, Domain] = {}
    for name, given in raw.items():
        if name not in HYPERPARAMETERS:
            known = ", ".join(HYPERPARAMETERS)
            errors.append(FieldError(("space", name), f"is no hyperparameter; there are {known}"))
            continue
        try:
            domains[name] = _parse_domain(name, given)
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
    return Space(domains, conditions)


def _parse_conditions(raw: Mapping[str, Any], domains: Mapping[str, Domain]) -> dict[str, Condition]:
    errors: list[FieldError] = []
    conditions: dict[str, Condition] = {}
    for name, given in raw.items():
        try:
            condition: Condition = {}
            if isinstance(given, dict) and "when" in given:
                condition = parse_condition(name, given["when"], domains)
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


def _parse_domain(name: str, given: Any) -> Domain:
    if isinstance(given, dict):
        return _parse_object(name, {key: value for key, value in given.items() if key != "when"})
    kind = HYPERPARAMETERS[name].kind
    if isinstance(kind, Layers):
        choices = isinstance(given, list) and given != [] and all(isinstance(item, list) for item in given)
        return _choice(name, given) if choices else Constant(checked(name, given))
    return _choice(name, given) if isinstance(given, list) else Constant(checked(name, given))


def _parse_object(name: str, given: dict[str, Any]) -> Domain:
    """A range, `{"values": [...]}` or `{"value": ...}`: the long forms, which can have a condition."""
    kind = HYPERPARAMETERS[name].kind
    for key in ("value", "values"):
        if key in given and len(given) > 1:
            other = next(one for one in given if one != key)
            raise wrong((name, other), f"can't stand beside {key}")
    if "value" in given:
        return Constant(checked(name, given["value"], "value"))
    if "values" in given:
        if not isinstance(given["values"], list):
            raise wrong((name, "values"), f"must be a list, not {given['values']!r}")
        return _choice(name, given["values"], "values")
    if not isinstance(kind, Number):
        raise wrong((name,), f"takes {'widths' if isinstance(kind, Layers) else 'names'}, not a range: {given!r}")
    return _range(name, kind, given)


def _choice(name: str, given: list[Any], *path: str) -> Choice:
    if not 1 <= len(given) <= MAX_CHOICES:
        raise wrong((name, *path), f"must list between 1 and {MAX_CHOICES:,} values, not {len(given)}")
    values = [checked(name, value, *path, index) for index, value in enumerate(given)]
    for index, value in enumerate(values):
        if value in values[:index]:
            raise wrong((name, *path, index), f"lists {value!r} twice")
    return Choice(tuple(values))


def _range(name: str, kind: Number, given: dict[str, Any]) -> Range:
    errors = [(name, key) for key in given if key not in {"low", "high", "step", "log"}]
    if errors:
        raise wrong(errors[0], "is no part of a range; write low, high, and perhaps step, log or when")
    for key in ("low", "high"):
        if key not in given:
            raise wrong((name, key), "is missing: a range is {'low': ..., 'high': ...}")
        if found := problem(kind, given[key]):
            raise wrong((name, key), found)
    low, high, step, log = given["low"], given["high"], given.get("step"), given.get("log", False)
    _check_shape(name, low, high, step, log)
    whole = kind.whole or all(isinstance(number, int) for number in (low, high, *([] if step is None else [step])))
    if whole:
        step = None if step is None else _whole_step(name, step)
        return Range(int(low), int(high), step, log, whole=True)
    return Range(float(low), float(high), None if step is None else float(step), log)


def _check_shape(name: str, low: float, high: float, step: Any, log: Any) -> None:
    if low >= high:
        raise wrong((name,), f"runs from {low!r} to {high!r}: low must be less than high")
    if not isinstance(log, bool):
        raise wrong((name, "log"), f"must be true or false, not {log!r}")
    if log and low <= 0:
        raise wrong((name, "low"), f"must be above 0 on a log scale, not {low!r}")
    if step is None:
        return
    if found := problem(Number(0, high - low, above=True), step):
        raise wrong((name, "step"), found)
    if log:
        raise wrong((name, "step"), "can't be given on a log scale")


def _whole_step(name: str, step: float) -> int:
    if step != int(step):
        raise wrong((name, "step"), f"must be a whole number, not {step!r}")
    return int(step)

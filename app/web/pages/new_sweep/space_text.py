"""How a person types one hyperparameter's part of a search space: `256`, `8, 64` or `0.001 .. 1 log`."""

import json
import math
from typing import Any

_IF, _AND, _IS, _OR = " if ", " and ", " is ", " or "
_CONDITION_HELP = "has a condition that can't be read: write e.g. 0 .. 0.9 if optimizer is momentum or nesterov"
_RANGE_HELP = "must be LOW .. HIGH, perhaps with step 0.1 or log behind it, e.g. 0.001 .. 1 log"


def parse_domain(name: str, text: str) -> Any:
    """A constant `256`, choices `8, 64`, or a range `0.001 .. 1 log`; JSON works too. Raises ValueError.

    Behind it may stand a condition: `0 .. 0.9 if optimizer is momentum or nesterov and depth is 2`.
    """
    if text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is no JSON; plain values such as 8, 64, 256 will do") from None
    text, has_condition, conditions = text.partition(_IF)
    if has_condition:
        return {**_long_form(parse_domain(name, text)), "when": _parse_conditions(conditions)}
    if ".." in text:
        return _parse_range(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    parse_value = _parse_widths if name == "hidden_layers" else parse_scalar
    values = [parse_value(part) for part in parts]
    return values[0] if len(values) == 1 and "," not in text else values


def domain_text(name: str, domain: Any) -> str:
    """What to type for a part of a search space: the inverse of `parse_domain`."""
    if isinstance(domain, dict):
        return _object_text(name, domain)
    if name == "hidden_layers":
        return _widths_text(domain)
    if isinstance(domain, list):
        return ", ".join(map(_scalar_text, domain)) + ("," if len(domain) == 1 else "")
    return _scalar_text(domain)


def parse_scalar(text: str) -> int | float | bool | str:
    """A number or a truth value where the text is one, else the text."""
    if text in {"true", "false"}:
        return text == "true"
    for number_type in (int, float):
        try:
            number = number_type(text)
            if math.isfinite(number):
                return number
        except (ValueError, OverflowError):  # no number, or a whole one that no float can hold
            continue
    return text


def _parse_range(text: str) -> dict[str, Any]:
    low, _, rest = text.partition("..")
    match rest.split():
        case [high, *further, "log"]:
            log = {"log": True}
        case [high, *further]:
            log = {}
        case _:
            raise ValueError(_RANGE_HELP)
    typed = {"low": low.strip(), "high": high}
    match further:
        case []:
            pass
        case ["step", step]:
            typed["step"] = step
        case _:
            raise ValueError(_RANGE_HELP)
    numbers = {key: parse_scalar(number) for key, number in typed.items()}
    if any(isinstance(number, bool | str) for number in numbers.values()):
        raise ValueError(_RANGE_HELP)
    return numbers | log


def _long_form(domain: Any) -> dict[str, Any]:
    """A domain as the object that it is where it has a condition."""
    if isinstance(domain, dict):
        return domain
    return {"values" if isinstance(domain, list) else "value": domain}


def _parse_conditions(text: str) -> dict[str, Any]:
    """`optimizer is sgd or adam and depth is 2` -> {"optimizer": ["sgd", "adam"], "depth": 2}. Raises ValueError."""
    conditions: dict[str, Any] = {}
    for clause in text.split(_AND):
        name, has_values, values = clause.partition(_IS)
        if not has_values or not name.strip() or not values.strip():
            raise ValueError(_CONDITION_HELP)
        alternatives = [parse_scalar(value.strip()) for value in values.split(_OR)]
        conditions[name.strip()] = alternatives[0] if len(alternatives) == 1 else alternatives
    return conditions


def _object_text(name: str, domain: dict[str, Any]) -> str:
    """A range, or what has a condition; JSON where that can't be said in words."""
    if domain.keys() <= {"low", "high", "step", "log"}:
        return _range_text(domain)
    if "when" not in domain:
        return json.dumps(domain)
    inner = {key: value for key, value in domain.items() if key != "when"}
    try:
        short = inner["values" if "values" in inner else "value"] if len(inner) == 1 else inner
        text = f"{domain_text(name, short)}{_IF}{_conditions_text(domain['when'])}"
        is_said = json.dumps(parse_domain(name, text), sort_keys=True) == json.dumps(domain, sort_keys=True)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        is_said = False
    return text if is_said else json.dumps(domain)


def _conditions_text(conditions: dict[str, Any]) -> str:
    clauses = (
        f"{name}{_IS}{_OR.join(map(_scalar_text, values if isinstance(values, list) else [values]))}"
        for name, values in conditions.items()
    )
    return _AND.join(clauses)


def _parse_widths(text: str) -> list[Any]:
    """`256-64` -> [256, 64]; `none` -> []."""
    return [] if text == "none" else [parse_scalar(width.strip()) for width in text.split("-")]


def _range_text(domain: dict[str, Any]) -> str:
    step = f" step {domain['step']}" if domain.get("step") is not None else ""
    return f"{domain['low']} .. {domain['high']}{step}{' log' if domain.get('log') else ''}"


def _widths_text(domain: list[Any]) -> str:
    choices = domain if domain and isinstance(domain[0], list) else [domain]
    text = ", ".join("-".join(map(str, widths)) or "none" for widths in choices)
    return f"{text}," if choices is domain and len(domain) == 1 else text


def _scalar_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

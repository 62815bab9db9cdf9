"""How a person types one hyperparameter's part of a search space: `256`, `8, 64` or `0.001 .. 1 log`."""

import json
import math
from typing import Any

_RANGE_HELP = "must be LOW .. HIGH, perhaps with step 0.1 or log behind it, e.g. 0.001 .. 1 log"


def parse_domain(name: str, text: str) -> Any:
    """A constant `256`, choices `8, 64`, or a range `0.001 .. 1 log`; JSON works too. Raises ValueError."""
    if text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is no JSON; plain values such as 8, 64, 256 will do") from None
    if ".." in text:
        return _parse_range(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    parse_value = _parse_widths if name == "hidden_layers" else parse_scalar
    values = [parse_value(part) for part in parts]
    return values[0] if len(values) == 1 and "," not in text else values


def domain_text(name: str, domain: Any) -> str:
    """What to type for a part of a search space: the inverse of `parse_domain`."""
    if isinstance(domain, dict):
        return _range_text(domain) if domain.keys() <= {"low", "high", "step", "log"} else json.dumps(domain)
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

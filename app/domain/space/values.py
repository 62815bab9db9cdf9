"""Checks a hyperparameter's value as it was posted, and gives it its own type."""

from typing import Any

from app.domain.hyperparameters import Kind, Layers, Number
from app.domain.tasks import EVERY_HYPERPARAMETER
from app.errors import FieldError, InvalidError


def parse_value(parameter: str, value: Any, *path: str | int, name: str | None = None) -> Any:
    """The value in the hyperparameter's own type. Raises InvalidError at `path` below the field `name`."""
    kind = EVERY_HYPERPARAMETER[parameter].kind
    if reason := problem(kind, value):
        raise space_error((name or parameter, *path), reason)
    if isinstance(kind, Layers):
        return [int(width) for width in value]
    return int(value) if isinstance(kind, Number) and kind.whole else value


def problem(kind: Kind, value: Any) -> str | None:
    """Why the value can't be used, or None."""
    try:
        return kind.problem(value)
    except OverflowError:  # a whole number of hundreds of digits, which no float can hold
        return "is too large"


def space_error(loc: tuple[str | int, ...], msg: str) -> InvalidError:
    """The error of one field at this place within `space`."""
    return InvalidError("The search space has a field that can't be used.", [FieldError(("space", *loc), msg)])

"""Values as they were posted: checked, and in their own type."""

from typing import Any

from app.domain.hyperparameters import HYPERPARAMETERS, Category, Layers, Number
from app.errors import FieldError, InvalidError


def checked(parameter: str, value: Any, *path: str | int, name: str | None = None) -> Any:
    """The value in the hyperparameter's own type. Raises InvalidError at `path` below the field `name`."""
    kind = HYPERPARAMETERS[parameter].kind
    if found := problem(kind, value):
        raise wrong((name or parameter, *path), found)
    if isinstance(kind, Layers):
        return [int(width) for width in value]
    return int(value) if isinstance(kind, Number) and kind.whole else value


def problem(kind: Number | Category | Layers, value: Any) -> str | None:
    """Why the value can't be used, or None."""
    try:
        return kind.problem(value)
    except OverflowError:  # a whole number of hundreds of digits, which no float can hold
        return "is too large"


def wrong(loc: tuple[str | int, ...], msg: str) -> InvalidError:
    return InvalidError("The search space has a field that can't be used.", [FieldError(("space", *loc), msg)])

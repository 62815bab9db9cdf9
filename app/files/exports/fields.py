"""Which columns travel in an export, and what a value may be; read off the tables, so a new one travels by itself."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Enum, Float, Integer, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import JSON

from app.db.tables import Base, Epoch, Run, Sweep, Trial
from app.errors import FieldError, InvalidError

Kind = Literal["integer", "float", "boolean", "text", "name", "time", "uuid", "array", "json"]
MOST = 2**63 - 1
MOST_FLOAT = 1e150  # what is added up and squared must stay finite


@dataclass(frozen=True)
class Field:
    """A column: what it holds, whether it may be null, and whether a file of an older version may lack it.

    `names` are those of an enum, `holds` is what the JSON of a column is.
    """

    name: str
    kind: Kind
    optional: bool
    has_default: bool = False
    names: tuple[str, ...] = ()
    holds: type[Any] = object


def _kind(column: Any) -> Kind:
    kinds: list[tuple[type[Any], Kind]] = [
        (Enum, "name"),
        (ARRAY, "array"),
        (JSON, "json"),
        (Boolean, "boolean"),
        (Integer, "integer"),
        (Float, "float"),
        (DateTime, "time"),
        (Uuid, "uuid"),
    ]
    return next((kind for of, kind in kinds if isinstance(column.type, of)), "text")


def _fields(table: type[Base], *left_out: str) -> dict[str, Field]:
    return {column.name: _field(column) for column in table.__table__.columns if column.name not in left_out}


def _field(column: Any) -> Field:
    names = tuple(column.type.enums) if isinstance(column.type, Enum) else ()
    default = column.server_default and str(column.server_default.arg)
    has_default = column.nullable or (default is not None and not names)
    holds = list if default == "'[]'" else dict
    return Field(column.name, _kind(column), column.nullable, has_default, names, holds)


# left out: numbers of this database, what holds a secret, and what the server keeps for itself
SWEEP = _fields(
    Sweep, "id", "webhook", "exercise_run_id", "idempotency_key", "request_hash", "revision", "imported_from"
)
TRIAL = _fields(Trial, "id", "sweep_id", "lease_token", "lease_until", "retrain_at")
RUN = _fields(Run, "trial_id", "weights")
EPOCH = _fields(Epoch, "trial_id")


def plain(value: Any) -> Any:
    """A column's value as JSON can hold it: times in UTC, a figure that is not finite as its name."""
    change = _PLAIN.get(type(value))
    return change(value) if change else value


_PLAIN: dict[type, Callable[[Any], Any]] = {
    datetime: lambda time: time.astimezone(UTC).isoformat(),
    float: lambda number: number if math.isfinite(number) else str(number),
    list: lambda items: [plain(item) for item in items],
    UUID: str,
}


def read(fields: Mapping[str, Field], given: Any, loc: tuple[str | int, ...]) -> dict[str, Any]:
    """The columns that `given` holds, as the database takes them. Raises InvalidError that names a wrong one."""
    if not isinstance(given, dict):
        raise wrong(loc, "must be an object")
    for name in given:
        if name not in fields:
            raise wrong((*loc, name), "is unknown; leave it out")
    for name, field in fields.items():
        if name not in given and not field.has_default:
            raise wrong((*loc, name), "is missing")
    return {name: _read(fields[name], value, (*loc, name)) for name, value in given.items()}


def wrong(loc: tuple[str | int, ...], msg: str) -> InvalidError:
    return InvalidError("The file can't be imported.", [FieldError(loc, msg)])


def _read(field: Field, value: Any, loc: tuple[str | int, ...]) -> Any:
    if value is None:
        if not field.optional:
            raise wrong(loc, "is missing")
        return None
    try:
        return _checked(field, value)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        wanted = f"one of {', '.join(field.names)}" if field.names else _WANTED[field.kind]
        raise wrong(loc, f"must be {wanted}, not {str(value)[:80]!r}") from None


_WANTED: dict[str, str] = {
    "integer": "a whole number",
    "float": "a number between -1e150 and 1e150",
    "boolean": "true or false",
    "text": "text without the character U+0000",
    "name": "a name",
    "time": "a time like 2026-01-31T12:00:00+00:00",
    "uuid": "a UUID",
    "array": "a list of numbers or of texts",
    "json": "a JSON object, or a list where it is one, without the character U+0000",
}


def _checked(field: Field, value: Any) -> Any:
    """The value for the database. Raises ValueError or TypeError where it can't be one."""
    match field.kind:
        case "integer":
            return _when(type(value) is int and -MOST <= value <= MOST, value)
        case "float":
            return float(_when(type(value) in {int, float} and abs(value) <= MOST_FLOAT, value))
        case "boolean":
            return _when(type(value) is bool, value)
        case "name":
            return _when(value in field.names, value)
        case "time":
            return value if isinstance(value, datetime) else _time(value)
        case "uuid":
            return UUID(value)
        case "array":
            return [_checked(_ITEM[type(item)], item) for item in _when(isinstance(value, list), value)]
        case "json":
            _when(isinstance(value, field.holds), value)
            dumped = json.dumps(value, allow_nan=False, ensure_ascii=False).replace("\\\\", "")
            dumped.encode()  # raises for half a surrogate pair
            return _when("\\u0000" not in dumped, value)
        case "text":
            return _when("\0" not in value.encode().decode(), value)


_ITEM = {str: Field("", "text", False), float: Field("", "float", False), int: Field("", "float", False)}


def _when(right: bool, value: Any) -> Any:
    if not right:
        raise ValueError
    return value


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return _when(time.tzinfo is not None, time).astimezone(UTC)  # type: ignore[no-any-return]

"""The columns of an export, read off the database's tables, and the values that each may hold."""

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

from app.db.tables import Base, Diagnostics, Epoch, Run, Sweep, Trial
from app.domain.sweep_limits import MAX_FLOAT
from app.errors import FieldError, InvalidError

Kind = Literal["integer", "float", "boolean", "text", "name", "time", "uuid", "array", "json"]
MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Field:
    """A column of an export."""

    name: str
    kind: Kind
    optional: bool  # it may be null
    has_default: bool = False  # a file of an older version may lack it
    enum_names: tuple[str, ...] = ()
    json_type: type[Any] = object  # of a column of JSON


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
    return next((kind for column_type, kind in kinds if isinstance(column.type, column_type)), "text")


def _fields(table: type[Base], *omitted: str) -> dict[str, Field]:
    return {column.name: _field(column) for column in table.__table__.columns if column.name not in omitted}


def _field(column: Any) -> Field:
    names = tuple(column.type.enums) if isinstance(column.type, Enum) else ()
    default = column.server_default and str(column.server_default.arg)
    has_default = column.nullable or (default is not None and not names)
    json_type = list if default == "'[]'" else dict
    return Field(column.name, _kind(column), column.nullable, has_default, names, json_type)


# omitted: numbers of this database and its workers, what holds a secret, and what the server keeps for itself
SWEEP = _fields(
    Sweep,
    *(
        "id",
        "dataset_id",
        "webhook",
        "exercise_run_id",
        "exercise_sweep",
        "idempotency_key",
        "request_hash",
        "revision",
        "imported_from",
    ),
    *("claimed_at", "earlier_legs", "trial_seconds"),
)
_QUEUE = ("lease_token", "lease_until", "retrain_at", "epochs_trained", "bracket", "rung", "rung_means", "least_memory")
TRIAL = _fields(Trial, "id", "sweep_id", *_QUEUE)
RUN = _fields(Run, "trial_id", "weights")
EPOCH = _fields(Epoch, "trial_id")
DIAGNOSTICS = _fields(Diagnostics, "trial_id")


def to_json(value: Any) -> Any:
    """A column's value as JSON can hold it: times in UTC, a figure that is not finite as its name."""
    convert = _TO_JSON.get(type(value))
    return convert(value) if convert else value


_TO_JSON: dict[type, Callable[[Any], Any]] = {
    datetime: lambda time: time.astimezone(UTC).isoformat(),
    float: lambda number: number if math.isfinite(number) else str(number),
    list: lambda items: [to_json(item) for item in items],
    UUID: str,
}


def parse_row(fields: Mapping[str, Field], row: Any, loc: tuple[str | int, ...]) -> dict[str, Any]:
    """The row of a file with its values as the database takes them. Raises InvalidError that names a wrong one."""
    if not isinstance(row, dict):
        raise import_error(loc, "must be an object")
    for name in row:
        if name not in fields:
            raise import_error((*loc, name), "is unknown; leave it out")
    for name, field in fields.items():
        if name not in row and not field.has_default:
            raise import_error((*loc, name), "is missing")
    return {name: _parse_value(fields[name], value, (*loc, name)) for name, value in row.items()}


def import_error(loc: tuple[str | int, ...], msg: str) -> InvalidError:
    """An error about the file's value at this path; `msg` goes on from the path, as in "must be a list"."""
    return InvalidError("The file can't be imported.", [FieldError(loc, msg)])


def _parse_value(field: Field, value: Any, loc: tuple[str | int, ...]) -> Any:
    if value is None:
        if not field.optional:
            raise import_error(loc, "is missing")
        return None
    try:
        return _converted(field, value)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        expected = f"one of {', '.join(field.enum_names)}" if field.enum_names else _EXPECTED[field.kind]
        raise import_error(loc, f"must be {expected}, not {str(value)[:80]!r}") from None


_EXPECTED: dict[str, str] = {
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


def _converted(field: Field, value: Any) -> Any:
    """The value for the database. Raises ValueError or TypeError where it can't be one."""
    match field.kind:
        case "integer":
            return _require(type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER, value)
        case "float":
            return float(_require(type(value) in {int, float} and abs(value) <= MAX_FLOAT, value))
        case "boolean":
            return _require(type(value) is bool, value)
        case "name":
            return _require(value in field.enum_names, value)
        case "time":
            return value if isinstance(value, datetime) else _time(value)
        case "uuid":
            return UUID(value)
        case "array":
            return [_converted(_ITEM_FIELDS[type(item)], item) for item in _require(isinstance(value, list), value)]
        case "json":
            _require(isinstance(value, field.json_type), value)
            dumped = json.dumps(value, allow_nan=False, ensure_ascii=False).replace("\\\\", "")
            dumped.encode()  # raises for half a surrogate pair
            return _require("\\u0000" not in dumped, value)
        case "text":
            return _require("\0" not in value.encode().decode(), value)


_ITEM_FIELDS = {str: Field("", "text", False), float: Field("", "float", False), int: Field("", "float", False)}


def _require(condition: bool, value: Any) -> Any:
    """The value. Raises ValueError where the condition does not hold."""
    if not condition:
        raise ValueError
    return value


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return _require(time.tzinfo is not None, time).astimezone(UTC)  # type: ignore[no-any-return]

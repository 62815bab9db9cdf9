"""What `perceptune keys` prints: a new key, the list, and what was revoked."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from app.access import keys
from app.db.tables import Key
from app.domain.body import plain_sentence
from app.domain.people.roles import Role
from app.errors import FieldError, InvalidError, NotFoundError
from app.schemas import KeyCreate

WORKERS = "workers"  # the name of the key that `perceptune up` makes
_COLUMNS = "{:>6}  {:<12} {:<24} {:<6} {:<8} {}"


def create(session: Session, name: str, role: Role, days: int | None) -> str:
    """The new key. Raises InvalidError for a name or a time that can't be, ConflictError for a name in use."""
    try:
        body = KeyCreate(name=name, role=role, days=days)
    except ValidationError as error:
        errors = [FieldError(finding["loc"], plain_sentence(finding)) for finding in error.errors()]
        raise InvalidError("There can't be such a key:", errors) from None
    return keys.create(session, body.name, body.role, days=body.days, created_by="perceptune keys")[1]


def worker_command(session: Session, url: str, *, needs_key: bool) -> str:
    """What starts a worker on another machine; where there is no key for workers yet, with one that is made now."""
    command = f"perceptune worker --server {url}"
    if not needs_key and not keys.any_key(session):
        return command
    is_for_workers = and_(Key.role == Role.worker, keys.IS_VALID)
    is_taken = and_(Key.name == WORKERS, Key.revoked_at.is_(None))
    if session.scalar(select(Key.id).where(or_(is_for_workers, is_taken)).limit(1)) is not None:
        return f"{command} --key KEY"
    token = keys.create(session, WORKERS, Role.worker, created_by="perceptune up")[1]
    return f"{command} --key {token}"


def lines(session: Session) -> Iterator[str]:
    """A line a key, below the names of the columns."""
    yield _COLUMNS.format("number", "begins with", "name", "role", "state", "last used")
    for key in keys.all_keys(session):
        yield _COLUMNS.format(key.id, key.prefix, key.name, key.role, key.state, _minute(key.last_used_at))


def revoke(session: Session, name_or_number: str) -> str:
    """What was revoked. Raises NotFoundError."""
    number = int(name_or_number) if name_or_number.isdecimal() and len(name_or_number) < 19 else None
    is_meant = Key.name == name_or_number if number is None else or_(Key.name == name_or_number, Key.id == number)
    key_id = session.scalar(select(Key.id).where(is_meant, Key.revoked_at.is_(None)).order_by(Key.id).limit(1))
    if key_id is None:
        raise NotFoundError(f"There is no key {name_or_number!r} that could be revoked: see `perceptune keys list`.")
    key = keys.revoke(session, key_id)
    return f"Key {key.id} of {key.name!r} is revoked."


def _minute(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"

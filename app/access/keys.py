"""Keys: made, listed, revoked and found. A key is shown once, when it is made; its row has only its hash."""

import hmac
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from app.access import tokens
from app.access.callers import Caller
from app.db.tables import Key, LoginSession
from app.domain.people.roles import Role
from app.errors import ConflictError, NotFoundError

KIND = "key"
USE_NOTED_SECONDS = 60  # a use is written at most so often

IS_VALID: ColumnElement[bool] = and_(
    Key.revoked_at.is_(None), or_(Key.expires_at.is_(None), Key.expires_at > func.clock_timestamp())
)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('keys', 0))")

_NOTE_USE = text("""
    UPDATE keys SET last_used_at = clock_timestamp()
    WHERE id = :id AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - make_interval(secs => :seconds))
""")


def create(
    session: Session, name: str, role: Role, *, days: int | None = None, created_by: str | None = None
) -> tuple[Key, str]:
    """A new key's row and the key itself, which nobody can tell later. Raises ConflictError for a name in use."""
    session.execute(_LOCK)
    if session.scalar(select(Key.id).where(Key.name == name, Key.revoked_at.is_(None))) is not None:
        raise ConflictError(f"There is a key {name!r} already: revoke it first, or choose another name.")
    token = tokens.new_token(KIND)
    now = session.scalars(select(func.clock_timestamp())).one()
    key = Key(
        name=name,
        role=role,
        prefix=token[: tokens.PREFIX_LENGTH],
        digest=tokens.digest(token),
        created_at=now,
        created_by=created_by,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    session.add(key)
    session.flush()
    return key, token


def create_first(session: Session) -> str | None:
    """The first key, with the role admin; None where there was one already, valid or not."""
    session.execute(_LOCK)
    return None if any_key(session) else create(session, "first", Role.admin)[1]


def all_keys(session: Session) -> Sequence[Key]:
    """Every key, those that were revoked too, the newest first."""
    return session.scalars(select(Key).order_by(Key.id.desc())).all()


def any_key(session: Session) -> bool:
    """Whether a key was ever made: from then on the server needs one, also when all are revoked."""
    return session.scalar(select(Key.id).limit(1)) is not None


def revoke(session: Session, key_id: int) -> Key:
    """Ends a key and all sessions that were begun with it. Raises NotFoundError."""
    key = session.get(Key, key_id, with_for_update=True)
    if key is None:
        raise NotFoundError(f"There is no key {key_id}.")
    if key.revoked_at is None:
        session.execute(
            update(Key)
            .where(Key.id == key_id)
            .values(revoked_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
        session.execute(delete(LoginSession).where(LoginSession.key_id == key_id))
        session.refresh(key)
    return key


def find(session: Session, token: str) -> Caller | None:
    """Whose key this is, None where it is nobody's, expired or revoked. Notes that it was used."""
    if not tokens.is_token(token, KIND):
        return None
    hashed = tokens.digest(token)
    key = session.scalar(select(Key).where(Key.digest == hashed, IS_VALID))
    if key is None or not hmac.compare_digest(key.digest, hashed):
        return None
    note_use(session, key.id)
    return Caller(key.name, key.role, key.id)


def note_use(session: Session, key_id: int) -> None:
    """Writes when the key was last used, to the minute."""
    session.execute(_NOTE_USE, {"id": key_id, "seconds": USE_NOTED_SECONDS})

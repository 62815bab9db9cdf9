"""Sessions of the dashboard: a browser that has logged in sends a random token in place of the key."""

import hashlib
import hmac

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.access import keys, tokens
from app.access.callers import ENVIRONMENT_KEY, Caller
from app.db.tables import Key, LoginSession
from app.domain.people.roles import Role

KIND = "session"
DAYS = 14

_INSERT = text("""
    INSERT INTO login_sessions (digest, key_id, key_proof, expires_at)
    VALUES (:digest, :key_id, :key_proof, clock_timestamp() + make_interval(days => :days))
""")


def begin(session: Session, caller: Caller, environment_key: str | None) -> str:
    """The token of a new session of this caller, who has shown a key."""
    token = tokens.new_token(KIND)
    proof = _proof(token, environment_key) if caller.key_id is None else None
    values = {"digest": tokens.digest(token), "key_id": caller.key_id, "key_proof": proof, "days": DAYS}
    session.execute(_INSERT, values)
    return token


def find(session: Session, token: str, environment_key: str | None) -> Caller | None:
    """Who has logged in, None once the session has ended or its key is revoked, expired or another one."""
    if not tokens.is_token(token, KIND):
        return None
    is_open = LoginSession.expires_at > func.clock_timestamp()
    query = select(LoginSession).where(LoginSession.digest == tokens.digest(token), is_open)
    login = session.scalar(query)
    if login is None:
        return None
    if login.key_id is None:
        is_same = login.key_proof is not None and hmac.compare_digest(login.key_proof, _proof(token, environment_key))
        return Caller(ENVIRONMENT_KEY, Role.admin, has_session=True) if is_same else None
    key = session.scalar(select(Key).where(Key.id == login.key_id, keys.IS_VALID))
    if key is None:
        return None
    keys.note_use(session, key.id)
    return Caller(key.name, key.role, key.id, has_session=True)


def end(session: Session, token: str) -> None:
    """Ends a session, if there is one."""
    session.execute(delete(LoginSession).where(LoginSession.digest == tokens.digest(token)))


def drop_expired(session: Session) -> None:
    """Removes the rows of sessions that have expired."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at < func.clock_timestamp()))


def _proof(token: str, environment_key: str | None) -> bytes:
    """What shows that the environment's key is still the one with which the session began.

    That key is chosen by people and may be short; its hash needs the token, of which the row does not have more than a
    hash either, so a stolen table helps nobody to guess it. An empty proof matches nothing: no key is set.
    """
    if environment_key is None:
        return b""
    return hmac.new(token.encode(), environment_key.encode(), hashlib.sha256).digest()

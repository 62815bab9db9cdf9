"""Shares: links that show one sweep or one run of an exercise, and nothing else, to whoever has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from app.access import tokens
from app.db.tables import ExerciseRun, Share
from app.domain.formatting import plural
from app.domain.people.log_events import LogEvent
from app.errors import NotFoundError
from app.lifecycle import sweep_log, sweep_row

KIND = "share"
PLACE = "/s/"  # what the addresses of shares begin with

_IS_VALID = Share.expires_at > func.clock_timestamp()


@dataclass(frozen=True)
class Subject:
    """What a share shows: a sweep, or a run of an exercise."""

    sweep_id: int | None = None
    exercise_run_id: int | None = None


def create(session: Session, subject: Subject, days: int, created_by: str | None) -> tuple[Share, str]:
    """A new share's row and its token, which nobody can tell later. Raises NotFoundError for an unknown sweep."""
    if subject.sweep_id is not None:
        sweep_row.get(session, subject.sweep_id, lock=True)  # it may be deleted at this moment
        sweep_log.note(
            session, subject.sweep_id, LogEvent.share, f"Made a link that shows it for {plural(days, 'day')}"
        )
    token = tokens.new_token(KIND)
    now = session.scalars(select(func.clock_timestamp())).one()
    share = Share(
        digest=tokens.digest(token),
        sweep_id=subject.sweep_id,
        exercise_run_id=subject.exercise_run_id,
        created_at=now,
        created_by=created_by,
        expires_at=now + timedelta(days=days),
    )
    session.add(share)
    session.flush()
    return share, token


def valid_shares(session: Session, subject: Subject) -> Sequence[Share]:
    """The links that show it now, the newest first. Raises NotFoundError for an unknown sweep."""
    if subject.sweep_id is not None:
        sweep_row.get(session, subject.sweep_id)
    query = select(Share).where(_is_of(subject), _IS_VALID)
    return session.scalars(query.order_by(Share.id.desc())).all()


def revoke(session: Session, id_or_token: str) -> None:
    """Ends a link, named by its number or by its token. Raises NotFoundError."""
    is_number = id_or_token.isdecimal() and len(id_or_token) < 19
    is_meant = Share.id == int(id_or_token) if is_number else Share.digest == tokens.digest(id_or_token)
    share = session.scalar(select(Share).where(is_meant))
    if share is None or (share.sweep_id is not None and sweep_row.lock(session, share.sweep_id) is None):
        raise NotFoundError("There is no such link.")
    if share.sweep_id is not None:
        sweep_log.note(session, share.sweep_id, LogEvent.share, "Ended a link that showed it")
    session.delete(share)


def find(session: Session, token: str) -> Share:
    """The share of a link. Raises NotFoundError where it was ended, has expired, or never was."""
    share = None
    if tokens.is_token(token, KIND):
        share = session.scalar(select(Share).where(Share.digest == tokens.digest(token), _IS_VALID))
    if share is None:
        raise NotFoundError("This link shows nothing: it has expired, was ended, or is not whole.")
    return share


def run_of(session: Session, share: Share) -> ExerciseRun:
    """The run of an exercise that the share shows."""
    return session.get_one(ExerciseRun, share.exercise_run_id)


def drop_expired(session: Session) -> None:
    """Removes the rows of links that have expired."""
    session.execute(delete(Share).where(~_IS_VALID))


def _is_of(subject: Subject) -> ColumnElement[bool]:
    if subject.sweep_id is not None:
        return Share.sweep_id == subject.sweep_id
    return Share.exercise_run_id == subject.exercise_run_id

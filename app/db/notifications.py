"""Notifications: how processes learn that a sweep has changed, and workers that there may be something to do."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "perceptune"  # NOTIFY payload: the id of the sweep that changed
WORK_CHANNEL = "perceptune_work"  # the same of changes that may leave something to do: idle workers listen to it alone

NOTIFY_SQL = f"pg_notify('{CHANNEL}', CAST(:sweep AS text))"  # in a larger statement

_NOTIFY = text(f"SELECT {NOTIFY_SQL}")
_WAKE_WORKERS = text(f"SELECT pg_notify('{WORK_CHANNEL}', CAST(:sweep AS text))")


def notify(session: Session, sweep_id: int, *, has_work: bool = True) -> None:
    """Tells those who listen that the sweep has changed, once this transaction commits; they read it again.

    `has_work`: whether workers that have nothing to do are to look again.
    """
    session.execute(_NOTIFY, {"sweep": sweep_id})
    if has_work:
        wake_workers(session, sweep_id)


def wake_workers(session: Session, sweep_id: int) -> None:
    """Has idle workers look whether there is something to do, once this transaction commits."""
    session.execute(_WAKE_WORKERS, {"sweep": sweep_id})

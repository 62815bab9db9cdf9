"""Notifications: how processes learn that a sweep has changed, that there may be work, and which keys were wrong."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "perceptune"  # NOTIFY payload: the id of the sweep that changed
WORK_CHANNEL = "perceptune_work"  # the same of changes that may leave something to do: idle workers listen to it alone

KEYS_CHANNEL = "perceptune_keys"  # wrong keys, for all servers: who sends them has to wait at each

NOTIFY_SQL = f"pg_notify('{CHANNEL}', CAST(:sweep AS text))"  # in a larger statement

_NOTIFY = text(f"SELECT {NOTIFY_SQL}")
_WAKE_WORKERS = text(f"SELECT pg_notify('{WORK_CHANNEL}', CAST(:sweep AS text))")

_TELL_SERVERS = text(
    f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{KEYS_CHANNEL}', CAST(:payload AS text))"
)


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


def tell_servers(session: Session, payload: str) -> None:
    """Tells the servers of one database, this one too, of a wrong key; it is not waited for the disk."""
    session.execute(_TELL_SERVERS, {"payload": payload})

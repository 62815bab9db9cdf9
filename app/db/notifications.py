"""Notifications: how processes learn that a sweep has changed."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "perceptune"  # NOTIFY payload: the id of the sweep that changed


def notify(session: Session, sweep_id: int) -> None:
    """Tells those who listen that the sweep has changed, once this transaction commits; they read it again."""
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(sweep_id)})

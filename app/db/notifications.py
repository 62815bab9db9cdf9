"""The notifications by which processes learn that a sweep has changed."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "perceptune"  # NOTIFY payload: the id of the sweep that changed


def notify(session: Session, sweep_id: int) -> None:
    """Wakes who listens, once this transaction commits. A hint: the reader reads the truth again."""
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(sweep_id)})

"""Deletion: removes a sweep with all that was measured in it."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.notifications import notify
from app.db.tables import Trial
from app.domain.states import SweepState, TrialState
from app.errors import ConflictError
from app.lifecycle import sweep_row


def delete(session: Session, sweep_id: int) -> None:
    """Removes the sweep with all that was measured. Raises ConflictError while trials of it are running."""
    sweep = sweep_row.get(session, sweep_id, lock=True)
    if sweep.state in {SweepState.running, SweepState.stopping}:
        raise ConflictError(f"Sweep {sweep_id} is {sweep.state}: it can be deleted once it has ended; cancel it first.")
    running = session.scalar(select(func.count()).where(Trial.sweep_id == sweep_id, Trial.state == TrialState.running))
    if running:
        raise ConflictError(
            f"Sweep {sweep_id} is {sweep.state}, but {running} of its trials still run; cancel it first."
        )
    session.delete(sweep)
    notify(session, sweep_id, has_work=False)

"""The parameters of networks, as the rows of runs hold them: which ones stay."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, or_, select, true, update
from sqlalchemy.orm import Session

from app.db.tables import Run, Sweep, Trial
from app.domain.states import TrialState


def kept_of(session: Session, sweep: Sweep, ended: Collection[int], best: Select[int]) -> set[int]:
    """Those of the trials that just ended whose weights are to be kept: all, or the best and those asked for."""
    complete = select(Trial.id).where(Trial.id.in_(list(ended)), Trial.state == TrialState.complete)
    return set(session.scalars(complete.where(_stays(sweep, best))))


def drop_passing(session: Session, sweep: Sweep, best: Select[int]) -> None:
    """Lets go of the weights of trials that were the best only for a while."""
    passing = select(Trial.id).where(Trial.sweep_id == sweep.id, ~_stays(sweep, best))
    session.execute(
        update(Run).where(Run.trial_id.in_(passing), Run.weights.is_not(None)).values(weights=None),
        execution_options={"synchronize_session": False},
    )


def _stays(sweep: Sweep, best: Select[int]) -> ColumnElement[bool]:
    if sweep.keep_models == "all":
        return true()
    return or_(Trial.model_wanted, Trial.id.in_(best))

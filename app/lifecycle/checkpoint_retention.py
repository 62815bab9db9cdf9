"""Which complete trials keep the checkpoint of their last epoch, from which they can be trained longer."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.states import TrialState

KEPT_TRIALS = 3  # of a sweep: the best of those that are complete
MAX_CHECKPOINT_BYTES = 16 * 2**20  # of a trial; larger ones are not kept
KEPT_DAYS = 7  # after the trial has ended


def best_trial_ids(session: Session, sweep: Sweep) -> set[int]:
    """The ids of the complete trials whose final checkpoints stay."""
    complete = select(Trial.id).where(Trial.sweep_id == sweep.id, Trial.state == TrialState.complete, ~Trial.excluded)
    value = Trial.value.desc() if sweep.first_objective.maximize else Trial.value
    return set(session.scalars(complete.order_by(value, Trial.number).limit(KEPT_TRIALS)))


def drop_superseded(session: Session, sweep: Sweep) -> None:
    """Removes the final checkpoints of trials that were among the best only for a while."""
    session.execute(_DROP_SUPERSEDED, {"sweep": sweep.id, "ids": list(best_trial_ids(session, sweep))})


def drop_ended(session: Session) -> None:
    """Removes the checkpoints of trials that have ended, but for final ones while they are kept."""
    session.execute(_DROP_ENDED)


_DROP_SUPERSEDED = text("""
    DELETE FROM checkpoints c USING trials t
    WHERE t.id = c.trial_id AND t.sweep_id = :sweep AND c.is_final AND t.id <> ALL(:ids)
""")

_DROP_ENDED = text(f"""
    DELETE FROM checkpoints WHERE trial_id IN (
        SELECT c.trial_id FROM checkpoints c JOIN trials t ON t.id = c.trial_id
        WHERE t.finished_at IS NOT NULL
          AND NOT (c.is_final AND t.state = 'complete'
                   AND t.finished_at > clock_timestamp() - interval '{KEPT_DAYS} days')
        ORDER BY c.trial_id FOR UPDATE OF c SKIP LOCKED
    )
""")

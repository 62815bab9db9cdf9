"""Which complete trials keep the checkpoint of their last epoch, from which they can be trained longer."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

KEPT_TRIALS = 3  # of a sweep: the first trials of its best configurations
MAX_CHECKPOINT_BYTES = 16 * 2**20  # of a trial; larger ones are not kept
KEPT_DAYS = 7  # after the trial has ended


def drop_superseded(session: Session, sweep_id: int, top_ids: Sequence[int]) -> None:
    """Removes the final checkpoints of trials that were among these, the best, only for a while."""
    session.execute(_DROP_SUPERSEDED, {"sweep": sweep_id, "ids": list(top_ids)})


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

"""Which waiting trials have begun, and which of them a worker may claim, as conditions of SQL."""

from sqlalchemy import and_, or_

from app.db.tables import Trial
from app.domain.states import TrialState

# Whether a trial waits between two legs: it has a checkpoint, or has reached a rung.
IS_BETWEEN_LEGS = and_(Trial.state == TrialState.waiting, or_(Trial.rung_means != [], Trial.epochs_trained > 0))

# Where results are reused, a trial waits for one in training that has its configuration.
_TWIN_TRAINS = """t.first_seed = 0 AND EXISTS (
    SELECT FROM trials o WHERE o.sweep_id = t.sweep_id AND o.configuration = t.configuration AND o.id <> t.id
      AND (o.state = 'running' OR (o.state = 'waiting' AND (o.epochs_trained > 0 OR o.rung_means <> '{}')))
)"""

# Whether trial `t` of sweep `s` can be claimed: it does not wait at a rung, nor for a twin.
IS_CLAIMABLE = f"t.state = 'waiting' AND t.rung IS NULL AND NOT (s.repeats = 'reuse' AND {_TWIN_TRAINS})"

# Whether sweep `s` has such a trial. With EXISTS the planner reads all waiting trials of all sweeps; ordered as the
# index ix_trials_waiting is, it reads the first one of each.
HAS_CLAIMABLE = f"""(
    SELECT 1 FROM trials t WHERE t.sweep_id = s.id AND {IS_CLAIMABLE} ORDER BY (t.attempt >= 2) DESC LIMIT 1
) IS NOT NULL"""

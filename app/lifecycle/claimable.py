"""Which waiting trials have begun, and which of them a worker may claim, as conditions of SQL."""

from sqlalchemy import and_, or_

from app.db.tables import Trial
from app.db.tables.trials import ON_LAST_ATTEMPT
from app.domain.devices.products import EXACT
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

# What sweep `s` was begun with.
PRODUCTS_SQL = f"coalesce(s.environment->>'products', '{EXACT}')"

# Whether it is for a worker with so much memory: what was too large for one is left to larger ones that were heard of
# in the last ten minutes and may train its sweep, also while they are started again. The largest of them has
# `largest_memory`, or `largest_of_kind` where a kind of device is wished for; of those that compute the same products,
# where the sweep's are not exact, `largest_alike` and `largest_of_kind_alike`. What is too large for all of them any
# that may train it may claim, with whom it fails.
FITS_WORKER = f"""(t.least_memory IS NULL OR t.least_memory <= :memory OR t.least_memory > CASE
    WHEN {PRODUCTS_SQL} = '{EXACT}' THEN CASE WHEN s.device IS NULL THEN :largest_memory ELSE :largest_of_kind END
    WHEN s.device IS NULL THEN :largest_alike ELSE :largest_of_kind_alike END)"""


def _has(condition: str, count: str) -> str:
    """Whether sweep `s` has such a trial, which all of this stored count are where none waits for a twin.

    Only else trials are looked at. With EXISTS the planner reads all waiting trials of all sweeps; ordered as the index
    ix_trials_waiting is, it reads the first one of each.
    """
    return f"""(
        SELECT CASE WHEN q.ready = 0 THEN false WHEN s.repeats <> 'reuse' AND q.{count} > 0 THEN true ELSE (
            SELECT 1 FROM trials t WHERE t.sweep_id = s.id AND {condition} ORDER BY (t.{ON_LAST_ATTEMPT}) DESC LIMIT 1
        ) IS NOT NULL END FROM sweep_totals q WHERE q.sweep_id = s.id
    )"""


HAS_CLAIMABLE = _has(IS_CLAIMABLE, "ready")

# Whether a worker of this kind that computes such products, and exact ones as all do, may train it: who began it has
# decided on its products for all its trials.
MAY_TRAIN = f"(s.device IS NULL OR s.device = :kind) AND {PRODUCTS_SQL} IN ('{EXACT}', :products)"

# Whether it has one for a worker of this kind, memory and products.
HAS_WORK = f"{MAY_TRAIN} AND {_has(f'{IS_CLAIMABLE} AND {FITS_WORKER}', 'ready_for_any')}"

"""Picking: which sweep a worker claims from, and its turn at it.

Of the sweeps of the highest priority that have something to claim, it is the best one that nobody else claims from at
this moment; where somebody claims from each, the best one, after a wait. So workers that come at once spread over the
sweeps, and none of a lower priority goes first. A sweep that stays locked is passed over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db.engine import is_lock_timeout
from app.db.tables import Sweep
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.lifecycle.claimable import HAS_CLAIMABLE
from app.queue import machines, statements

LOCK_WAIT = "1s"  # for as long a claim waits for a sweep's row: as many writers as there may be in a row take less
TURN_WAIT = "5s"  # the same for its turn among those who claim from the sweep


@dataclass(frozen=True)
class PickedSweep:
    """A sweep that is locked for a claim, and what falls on this worker of it."""

    sweep: Sweep
    mean_cost: float  # of a trial
    share_cost: float


def pick(session: Session, worker_id: UUID, leave_out: Iterable[int] = ()) -> PickedSweep | None:
    """The sweep to claim from, locked; None where nothing waits, or the worker's machine is not free for it."""
    passed_ids = list(leave_out)
    while True:
        session.execute(_SAVEPOINT)
        row = session.execute(_PICK_SWEEP, {"passed": passed_ids, "wait": LOCK_WAIT}).one_or_none()
        if row is None:
            return None
        try:
            return _locked(session, worker_id, row.id, row.task, is_mine=row.is_mine)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            session.execute(_ROLLBACK)  # and with it go the locks that were taken since
            passed_ids.append(row.id)


def _locked(session: Session, worker_id: UUID, sweep_id: int, task: str, *, is_mine: bool) -> PickedSweep | None:
    """Takes all locks, the sweep's own as the last: whoever writes to the sweep waits for it."""
    share = session.execute(statements.SHARE, {"sweep": sweep_id}).one()
    if not is_mine:
        session.execute(_TAKE_TURN, {"sweep": sweep_id, "turn_wait": TURN_WAIT, "wait": LOCK_WAIT})
    if not machines.may_begin(session, worker_id, alone=TASKS[task].is_timing):
        return None
    sweep = sweep_row.lock(session, sweep_id)
    return None if sweep is None else PickedSweep(sweep, share.mean_cost, share.cost)


_SAVEPOINT, _ROLLBACK = text("SAVEPOINT picking"), text("ROLLBACK TO SAVEPOINT picking")

_TURN_KEY = "hashtextextended('claim/' || {id}, 0)"
_TAKE_TURN = text(f"""
    SELECT set_config('lock_timeout', :turn_wait, true), pg_advisory_xact_lock({_TURN_KEY.format(id=":sweep")}),
           set_config('lock_timeout', :wait, true)
""")

# Of the sweeps that have something to claim, and of these those of the highest priority: first the ones with the fewest
# running trials, then those that have waited longest for a claim. Of them the first that nobody else claims from, which
# nobody else does then until the transaction ends, or else the first.
_PICK_SWEEP = text(f"""
    WITH ready AS MATERIALIZED (
        SELECT s.id, s.task, s.priority, s.claimed_at FROM sweeps s
        WHERE s.state IN ('queued', 'running') AND s.id <> ALL(CAST(:passed AS bigint[])) AND {HAS_CLAIMABLE}
    ), best AS MATERIALIZED (
        SELECT r.id, r.task FROM ready r WHERE r.priority = (SELECT max(priority) FROM ready)
        ORDER BY (SELECT count(*) FROM trials t WHERE t.sweep_id = r.id AND t.state = 'running'),
                 r.claimed_at NULLS FIRST, r.id
    )
    SELECT id, task, is_mine, set_config('lock_timeout', :wait, true) FROM (
        (SELECT id, task, true AS is_mine FROM best
         WHERE pg_try_advisory_xact_lock({_TURN_KEY.format(id="id")}) LIMIT 1)
        UNION ALL
        (SELECT id, task, false FROM best LIMIT 1)
    ) AS picked LIMIT 1
""")

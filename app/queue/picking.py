"""Picking: which sweep a worker claims from, and its turn at it.

Of the sweeps of the highest priority that have something to claim, it is the best one that nobody else claims from at
this moment; where somebody claims from each, the best one, after a wait. So workers that come at once spread over the
sweeps, and none of a lower priority goes first because others are busy. Only a sweep for which the wait was in vain is
passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.db.engine import is_gone, is_lock_timeout
from app.db.tables import Sweep
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.lifecycle.claimable import HAS_WORK
from app.queue import machines
from app.queue.errors import CallError, UnreachableError
from app.queue.shares import Share, share_of
from app.queue.workers import Claimer

LOCK_WAIT = "1s"  # for as long a claim waits for a sweep's row: as many writers as there may be in a row take less
TURN_WAIT = "5s"  # the same for its turn among those who claim from the sweep


class UnclaimableError(Exception):
    """Nothing can be claimed from this sweep: what is stored of it raises an error, which is the cause of this one."""

    def __init__(self, sweep_id: int) -> None:
        super().__init__(f"sweep {sweep_id}")
        self.sweep_id = sweep_id


@contextmanager
def blaming(sweep_id: int) -> Iterator[None]:
    """Raises UnclaimableError for what goes wrong in the block, unless the worker or the database is gone, or busy."""
    try:
        yield
    except CallError:
        raise
    except Exception as error:
        if isinstance(error, DBAPIError) and is_gone(error):
            raise
        raise UnclaimableError(sweep_id) from error


@dataclass(frozen=True)
class PickedSweep:
    """A sweep that is locked for a claim, and what falls on this worker of it."""

    sweep: Sweep
    share: Share
    bracket_counts: Mapping[int, int]
    """How many trials each of hyperband's brackets has had so far; empty where trials have no brackets."""


def pick(session: Session, claimer: Claimer, leave_out: Iterable[int] = ()) -> PickedSweep | None:
    """The sweep to claim from, locked; None where nothing waits, or the worker's machine is not free for it.

    Raises UnclaimableError where a sweep is at fault, UnreachableError where the worker's machine is locked for long.
    """
    passed_ids = list(leave_out)
    while True:
        session.execute(_SAVEPOINT)
        parameters = {"passed": passed_ids, "wait": LOCK_WAIT}
        row = session.execute(_PICK_SWEEP, claimer.parameters | parameters).one_or_none()
        if row is None:
            return None
        try:
            with blaming(row.id):
                return _locked(session, claimer, row)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            session.execute(_ROLLBACK)  # and with it go the locks that were taken since
            passed_ids.append(row.id)


def _locked(session: Session, claimer: Claimer, row: Row[Any]) -> PickedSweep | None:
    """Takes all locks on the sweep of this row, its own as the last: whoever writes to the sweep waits for it."""
    share = share_of(session, row.id, row.sweeps, claimer.id)
    if not row.is_mine:
        session.execute(_TAKE_TURN, {"sweep": row.id, "turn_wait": TURN_WAIT, "wait": LOCK_WAIT})
    if not _may_begin(session, claimer, row):
        return None
    bracket_counts = _count_brackets(session, row.id) if row.has_brackets else {}
    sweep = sweep_row.lock(session, row.id)
    return None if sweep is None else PickedSweep(sweep, share, bracket_counts)


def _count_brackets(session: Session, sweep_id: int) -> dict[int, int]:
    rows = session.execute(_COUNT_BRACKETS, {"sweep": sweep_id})
    return {bracket: trials for bracket, trials in rows}  # noqa: C416 (of rows mypy knows no types)


def _may_begin(session: Session, claimer: Claimer, row: Row[Any]) -> bool:
    """Whether the worker's machine is free for it. A lock of the machine is no fault of the sweep."""
    try:
        return machines.may_begin(session, claimer.id, alone=TASKS[row.task].is_timing)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        raise UnreachableError("another worker of this machine keeps it from beginning anything") from error


_SAVEPOINT, _ROLLBACK = text("SAVEPOINT picking"), text("ROLLBACK TO SAVEPOINT picking")

_TURN_KEY = "hashtextextended('claim/' || {id}, 0)"
_TAKE_TURN = text(f"""
    SELECT set_config('lock_timeout', :turn_wait, true), pg_advisory_xact_lock({_TURN_KEY.format(id=":sweep")}),
           set_config('lock_timeout', :wait, true)
""")

# All that has been claimed of the sweep is read, by whoever has the turn and before anybody waits for the sweep's row.
_COUNT_BRACKETS = text("""
    SELECT bracket, count(*) FROM trials WHERE sweep_id = :sweep AND bracket IS NOT NULL GROUP BY bracket
""")

# Of the sweeps that have something for this worker to claim, and of these those of the highest priority: first the ones
# with the fewest running trials, then those that have waited longest for a claim. Of them the first that nobody else
# claims from, which nobody else does then until the transaction ends, or else the first. No trial is read for it.
_PICK_SWEEP = text(f"""
    WITH ready AS MATERIALIZED (
        SELECT s.id, s.task, s.priority, s.claimed_at, totals.running,
               coalesce(s.pruner ->> 'name', '') = 'hyperband'
               AND s.pruner ->> 'mode' IS DISTINCT FROM 'stopping' AS has_brackets
        FROM sweeps s JOIN sweep_totals totals ON totals.sweep_id = s.id
        WHERE s.state IN ('queued', 'running') AND s.id <> ALL(CAST(:passed AS bigint[]))
          AND {HAS_WORK}
    ), best AS MATERIALIZED (
        SELECT id, task, has_brackets FROM ready WHERE priority = (SELECT max(priority) FROM ready)
        ORDER BY running, claimed_at NULLS FIRST, id
    )
    SELECT picked.*, (SELECT count(*) FROM best) AS sweeps, set_config('lock_timeout', :wait, true) FROM (
        (SELECT best.*, true AS is_mine FROM best
         WHERE pg_try_advisory_xact_lock({_TURN_KEY.format(id="id")}) LIMIT 1)
        UNION ALL
        (SELECT best.*, false FROM best LIMIT 1)
    ) AS picked LIMIT 1
""")

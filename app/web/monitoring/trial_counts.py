"""How many trials are in which state, without counting a million rows at each look."""

import threading
from collections import Counter
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.states import TrialState


class _SweepCounts(NamedTuple):
    revision: int  # of the sweep, at which they were counted
    trials: Counter[TrialState]


class TrialCounts:
    """The counts of each sweep, counted anew only once its revision is another one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sweeps: dict[int, _SweepCounts] = {}

    def read(self, session: Session) -> Counter[TrialState]:
        """The trials of all sweeps by state."""
        with self._lock:
            revisions = {row.id: row.revision for row in session.execute(select(Sweep.id, Sweep.revision))}
            self._sweeps = {
                sweep_id: counts
                for sweep_id, counts in self._sweeps.items()
                if revisions.get(sweep_id) == counts.revision
            }
            changed_ids = [sweep_id for sweep_id in revisions if sweep_id not in self._sweeps]
            for sweep_id, trials in _count(session, changed_ids).items():
                self._sweeps[sweep_id] = _SweepCounts(revisions[sweep_id], trials)
            return sum((counts.trials for counts in self._sweeps.values()), Counter())


def _count(session: Session, sweep_ids: list[int]) -> dict[int, Counter[TrialState]]:
    """By the index of sweep and state, which has all that is read."""
    counts: dict[int, Counter[TrialState]] = {sweep_id: Counter() for sweep_id in sweep_ids}
    if sweep_ids:
        query = select(Trial.sweep_id, Trial.state, func.count()).where(Trial.sweep_id == func.any(sweep_ids))
        for sweep_id, state, trials in session.execute(query.group_by(Trial.sweep_id, Trial.state)):
            counts[sweep_id][state] = trials
    return counts

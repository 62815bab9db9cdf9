"""Retention: which sweeps that ended long ago are deleted, and which of them are kept all the same."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.db.engine import transaction
from app.domain.formatting import plural
from app.errors import InvalidError
from app.lifecycle import sweep_row
from app.sweeps import deletion

KEEP_TAG = "keep"
_DAYS = {"d": 1, "w": 7}
MAX_DAYS = 36_500


class OldSweep(NamedTuple):
    """A sweep that ended long ago."""

    id: int
    name: str
    finished_at: datetime
    trials: int
    reason: str | None  # why it is kept; None where nothing keeps it

    def line(self, outcome: str) -> str:
        """What the command says of it."""
        ending = outcome if self.reason is None else f"kept: {self.reason}"
        size = plural(self.trials, "trial")
        return f"sweep {self.id:<6} ended {self.finished_at:%Y-%m-%d}  {size:>16}  {ending:<24}  {self.name}"


def days_of(age: str) -> int:
    """The days of an age such as `90d` or `12w`. Raises InvalidError."""
    match = re.fullmatch(r"([1-9]\d{0,5})([dw])", age)
    days = int(match[1]) * _DAYS[match[2]] if match else 0
    if not 1 <= days <= MAX_DAYS:
        raise InvalidError(f"--older-than must be a number of days or weeks, such as 90d or 12w, not {age!r}.")
    return days


def old_sweeps(engine: Engine, days: int) -> list[OldSweep]:
    """The sweeps that ended so long ago, and were not imported since, the oldest first.

    Those of one run of an exercise are looked at as one: it ends with the last of them, and what keeps one keeps all.
    """
    with transaction(engine) as session:
        return _old_sweeps(session, days)


def prune(engine: Engine, days: int, *, dry_run: bool) -> Iterator[str]:
    """Deletes the sweeps that ended so long ago and that nothing keeps, or only tells them: a line each, and the sum.

    Each goes in a transaction of its own, those of one run of an exercise together; and the trials in pieces, those of
    sweeps that were deleted before too.
    """
    sweeps = old_sweeps(engine, days)
    deleted_ids: set[int] = set()
    for sweep in sweeps:
        if sweep.reason is None and sweep.id not in deleted_ids and not dry_run:
            deleted_ids |= _delete(engine, days, sweep.id)
    deleted_sweeps = [sweep for sweep in sweeps if sweep.reason is None and (dry_run or sweep.id in deleted_ids)]
    for sweep in sweeps:
        if sweep.reason is not None or sweep in deleted_sweeps:
            yield sweep.line("would be deleted" if dry_run else "deleted")
    if not dry_run:
        clearing = deletion.Clearing(engine)
        while (pause := clearing.turn()) is not None:
            time.sleep(pause)
    trials = plural(sum(sweep.trials for sweep in deleted_sweeps), "trial")
    verb = "would be deleted" if dry_run else "deleted"
    yield f"{plural(len(deleted_sweeps), 'sweep')} with {trials} {verb}, {len(sweeps) - len(deleted_sweeps):,} kept."


def _delete(engine: Engine, days: int, sweep_id: int) -> set[int]:
    """Deletes it, with those of its run, unless it was deleted, taken up again or kept meanwhile; the ids of these."""
    with transaction(engine) as session:
        ids = {sweep.id for sweep in _old_sweeps(session, days, sweep_id)}
        sweep_row.lock_all(session, ids)
        deletable_ids = {sweep.id for sweep in _old_sweeps(session, days, sweep_id) if sweep.reason is None}
        if deletable_ids != ids:
            return set()
        for deletable_id in sorted(ids):
            deletion.delete(session, deletable_id)
        return ids


def _old_sweeps(session: Session, days: int, sweep_id: int | None = None) -> list[OldSweep]:
    """All of them, or this one with those of its run, if they are."""
    parameters = {"days": days, "tag": KEEP_TAG, "sweep": sweep_id}
    return [OldSweep(*row) for row in session.execute(_OLD_SWEEPS, parameters)]


# an import keeps the times of its file, also that of its creation
_IS_OLD = """greatest({0}.finished_at, (
    SELECT max(l.at) FROM sweep_log l WHERE l.sweep_id = {0}.id AND l.event = 'imported'
)) < clock_timestamp() - make_interval(days => :days)"""

_OLD_SWEEPS = text(f"""
    WITH old_sweeps AS (
        SELECT s.id, s.name, s.finished_at, s.exercise_run_id,
               (SELECT count(*) FROM trials t WHERE t.sweep_id = s.id) AS trials,
               CASE WHEN :tag = ANY(s.tags) THEN 'it has the tag ' || :tag
                    WHEN s.notes <> '' THEN 'it has notes'
                    WHEN EXISTS (SELECT FROM trials t WHERE t.sweep_id = s.id AND t.note <> '')
                    THEN 'one of its trials has a note'
                    WHEN EXISTS (
                        SELECT FROM shares h WHERE h.expires_at > clock_timestamp()
                          AND (h.sweep_id = s.id OR h.exercise_run_id = s.exercise_run_id)
                    ) THEN 'a link shows it'
               END AS reason
        FROM sweeps s
        WHERE s.finished_at IS NOT NULL AND {_IS_OLD.format("s")}
          AND NOT EXISTS (
            SELECT FROM sweeps o WHERE o.exercise_run_id = s.exercise_run_id
              AND (o.finished_at IS NULL OR NOT {_IS_OLD.format("o")})
          )
          AND (CAST(:sweep AS bigint) IS NULL OR s.id = :sweep
               OR s.exercise_run_id = (SELECT exercise_run_id FROM sweeps WHERE id = :sweep))
    )
    SELECT id, name, finished_at, trials, coalesce(reason, (
        SELECT 'sweep ' || min(o.id) || ' of its exercise is kept' FROM old_sweeps o
        WHERE o.exercise_run_id = s.exercise_run_id AND o.reason IS NOT NULL
    ))
    FROM old_sweeps s ORDER BY finished_at, id
""")

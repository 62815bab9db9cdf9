"""When a sweep stops before its budget is used up, and how that is told.

Rules are looked at where trials end, in that transaction, and by the server's slow poll for the time. They sleep while
trials that somebody asked for by hand wait or run: those are trained whatever the rules say.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.formatting import plural
from app.domain.states import LIVE_TRIALS, SweepState, TrialState
from app.lifecycle import sweep_row
from app.schemas import StopRules

STOPPABLE = (SweepState.queued, SweepState.running, SweepState.paused)


def apply(session: Session, sweep: Sweep) -> None:
    """Stops a sweep of which a rule holds: running trials finish, waiting ones are cancelled. The sweep is locked."""
    if not sweep.stop_rules or sweep.state not in STOPPABLE or _asked_for(session, sweep):
        return
    rules = StopRules.model_validate(sweep.stop_rules)
    found = next((words for rule in _RULES if (words := rule(session, sweep, rules)) is not None), None)
    if found is not None:
        sweep.stop_reason = found
        session.flush()
        sweep_row.change_state(session, sweep.id, "stop")


def stop_late(session: Session) -> None:
    """Stops the sweeps whose time is over, one transaction's worth of them."""
    for sweep_id in session.scalars(_LATE).all():
        apply(session, sweep_row.get(session, sweep_id, lock=True))


def _asked_for(session: Session, sweep: Sweep) -> bool:
    asked = select(Trial.id).where(Trial.sweep_id == sweep.id, Trial.state.in_(LIVE_TRIALS), Trial.enqueued)
    return session.scalar(asked.limit(1)) is not None


def _seconds(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    if rules.seconds is None or sweep.started_at is None:
        return None
    passed = session.scalars(select(func.extract("epoch", func.clock_timestamp() - sweep.started_at))).one()
    return f"seconds: {rules.seconds:g} have passed" if passed >= rules.seconds else None


def _target(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    best = _best(session, sweep)
    if rules.target is None or best is None or best.value is None:
        return None
    reached = best.value >= rules.target if sweep.direction == "maximize" else best.value <= rules.target
    return f"target: trial {best.number} reached {best.value:.4g}" if reached else None


def _no_improvement(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    """Trials that end in one transaction have the same time, and then the number decides which was first."""
    best = _best(session, sweep) if rules.no_improvement is not None else None
    if rules.no_improvement is None or best is None:
        return None
    ended = (TrialState.complete, TrialState.pruned, TrialState.failed)
    later = func.row(Trial.finished_at, Trial.number) > func.row(best.finished_at, best.number)
    since = session.scalars(
        select(func.count()).where(Trial.sweep_id == sweep.id, Trial.state.in_(ended), ~Trial.excluded, later)
    ).one()
    if since < rules.no_improvement:
        return None
    return f"no_improvement: {plural(since, 'trial')} since trial {best.number}, the best with {best.value:.4g}"


def _failures(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    """By number, not by time: trials that fail do so early, while those beside them still train."""
    if rules.failures is None:
        return None
    counted = (TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed)
    rows = session.execute(
        select(Trial.number, Trial.error)
        .where(Trial.sweep_id == sweep.id, Trial.state.in_(counted))
        .order_by(Trial.number)
    )
    islands = [list(island) for failed, island in groupby(rows, lambda row: row.error is not None) if failed]
    longest = max(islands, key=len, default=[])
    if len(longest) < rules.failures:
        return None
    numbers = (
        f"trials {longest[0].number} to {longest[-1].number}" if len(longest) > 1 else f"trial {longest[0].number}"
    )
    return f"failures: {numbers} failed, {_common([row.error for row in longest])}"


def _common(errors: Sequence[str]) -> str:
    """The reason that most of them share, whatever the numbers in it."""
    kinds = Counter(re.sub(r"\d+", "…", error) for error in errors)
    kind, count = kinds.most_common(1)[0]
    alike = {error for error in errors if re.sub(r"\d+", "…", error) == kind}
    words = alike.pop() if len(alike) == 1 else kind
    return f"all with: {words}" if count == len(errors) else f"{count} of them with: {words}"


def _best(session: Session, sweep: Sweep) -> Trial | None:
    """The trial with the best value; of equal ones the first to end."""
    order = Trial.value.desc() if sweep.direction == "maximize" else Trial.value.asc()
    complete = select(Trial).where(Trial.sweep_id == sweep.id, Trial.state == TrialState.complete, ~Trial.excluded)
    return session.scalar(complete.order_by(order, Trial.finished_at, Trial.number).limit(1))


_RULES: tuple[Callable[[Session, Sweep, StopRules], str | None], ...] = (_target, _failures, _no_improvement, _seconds)

# locked by id, before anything else of this transaction
_LATE = text("""
    SELECT id FROM sweeps
    WHERE state IN ('queued', 'running', 'paused')
      AND clock_timestamp() >= started_at + make_interval(secs => CAST(stop_rules ->> 'seconds' AS float8))
    ORDER BY id FOR UPDATE
""")

"""Rules that stop a sweep before its budget is used up.

They are looked at where trials end, in that transaction, and by the server's slow poll for the time. They sleep while
trials that somebody asked for by hand wait or run: those are trained whatever the rules say.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, cast, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db.tables import Sweep, Trial
from app.db.tables.trials import ON_LAST_ATTEMPT
from app.domain import transitions
from app.domain.formatting import plural
from app.domain.states import TrialState
from app.lifecycle import sweep_row
from app.lifecycle.best import IDENTIFIED_BEST
from app.lifecycle.failures import most_common_error
from app.schemas import StopRules

_FIRST_ENDED = (Trial.finished_at, Trial.number)
_STOPPABLE = transitions.SWEEPS.sources("stop")


def apply(session: Session, sweep: Sweep) -> None:
    """Stops a sweep of which a rule holds: running trials finish, waiting ones are cancelled. The sweep is locked."""
    if not sweep.stop_rules or sweep.state not in _STOPPABLE or _has_live_enqueued(session, sweep):
        return
    rules = StopRules.model_validate(sweep.stop_rules)
    reason = next((words for rule in _RULES if (words := rule(session, sweep, rules)) is not None), None)
    if reason is not None:
        sweep.stop_reason = reason
        session.flush()
        sweep_row.change_state(session, sweep.id, "stop", rule=reason)


def stop_overdue(session: Session) -> None:
    """Stops the sweeps whose seconds have passed, all in this transaction."""
    for sweep in sweep_row.lock_all(session, session.scalars(_OVERDUE_SWEEPS)):
        apply(session, sweep)


def passed_seconds(sweep: Sweep) -> ColumnElement[float]:
    """Selects the seconds that count against the limit: since the first start, but not those in which it had ended."""
    return cast(func.extract("epoch", func.clock_timestamp() - sweep.started_at), Float) - sweep.ended_seconds


def trials_since_best(session: Session, sweep: Sweep) -> int | None:
    """How many trials have ended since the best one without being better, None where there is no best one."""
    # An equal value later is no improvement, so the first trial to reach the best one counts. Trials that end in one
    # transaction have the same time, and then the number decides which was first.
    best = _best_trial(session, sweep, *_FIRST_ENDED)
    return None if best is None else _count_since(session, sweep, best)


def _has_live_enqueued(session: Session, sweep: Sweep) -> bool:
    """Whether a trial that somebody asked for by hand waits or runs, and not at a rung."""
    return bool(session.scalar(_HAS_LIVE_ENQUEUED, {"sweep": sweep.id}))


# Of what waits, which may be 100,000 trials, the first entry of ix_trials_waiting tells it, and the first behind those
# that are on their last attempt, which are few.
_HAS_LIVE_ENQUEUED = text(f"""
    WITH waiting AS NOT MATERIALIZED (
        SELECT * FROM trials WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL
    )
    SELECT coalesce((SELECT enqueued FROM waiting ORDER BY {ON_LAST_ATTEMPT} DESC, enqueued DESC LIMIT 1), false)
        OR coalesce((SELECT enqueued FROM waiting WHERE NOT ({ON_LAST_ATTEMPT})
                     ORDER BY {ON_LAST_ATTEMPT} DESC, enqueued DESC LIMIT 1), false)
        OR EXISTS (SELECT FROM trials WHERE sweep_id = :sweep AND state = 'running' AND enqueued)
""")


def _seconds(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    if rules.seconds is None or sweep.started_at is None:
        return None
    passed = session.scalars(select(passed_seconds(sweep))).one()
    return f"seconds: {rules.seconds:g} have passed" if passed >= rules.seconds else None


def _target(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    if rules.target is None or (best := session.execute(IDENTIFIED_BEST, {"sweep": sweep.id}).one_or_none()) is None:
        return None
    if sweep.first_objective.is_better(rules.target, than=best.value):
        return None
    return f"target: trial {best.number} reached {best.value:.4g}"


def _no_improvement(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    best = _best_trial(session, sweep, *_FIRST_ENDED) if rules.no_improvement is not None else None
    if rules.no_improvement is None or best is None:
        return None
    since = _count_since(session, sweep, best)
    if since < rules.no_improvement:
        return None
    return f"no_improvement: {plural(since, 'trial')} since trial {best.number}, the best with {best.value:.4g}"


def _count_since(session: Session, sweep: Sweep, best: Trial) -> int:
    ended = (TrialState.complete, TrialState.pruned, TrialState.failed)
    later = func.row(Trial.finished_at, Trial.number) > func.row(best.finished_at, best.number)
    return session.scalars(
        select(func.count()).where(
            Trial.sweep_id == sweep.id, Trial.state.in_(ended), ~Trial.excluded, ~Trial.is_survivor, later
        )
    ).one()


def _failures(session: Session, sweep: Sweep, rules: StopRules) -> str | None:
    if rules.failures is None:
        return None
    streak = session.execute(_LONGEST_STREAK, {"sweep": sweep.id, "failures": rules.failures}).one_or_none()
    if streak is None:
        return None
    numbers = f"trials {streak.first} to {streak.last}" if streak.last > streak.first else f"trial {streak.first}"
    return f"failures: {numbers} failed, {_most_common(streak.errors)}"


# A row by number, not by time: trials that fail do so early, while those beside them still train. Two failed trials are
# in one row if none between them was tried and did not fail, which is looked for up to the first one. No trial is read
# before enough have failed at all, and then few but these.
_LONGEST_STREAK = text("""
    WITH failed AS (
        SELECT number, error, lag(number) OVER (ORDER BY number) AS previous FROM trials
        WHERE sweep_id = :sweep AND state = 'failed'
          AND (SELECT failed FROM sweep_totals WHERE sweep_id = :sweep) >= :failures
    ), marked AS (
        SELECT number, error, (
            SELECT 1 FROM trials t
            WHERE t.sweep_id = :sweep AND t.number > failed.previous AND t.number < failed.number
              AND (t.state IN ('running', 'complete', 'pruned')
                   OR (t.state = 'waiting' AND (t.rung_means <> '{}' OR t.epochs_trained > 0)))  -- between two legs
            LIMIT 1
        ) AS begins
        FROM failed
    ), streaks AS (
        SELECT number, error, count(begins) OVER (ORDER BY number) AS streak FROM marked
    )
    SELECT min(number) AS first, max(number) AS last, array_agg(error ORDER BY number) AS errors
    FROM streaks GROUP BY streak HAVING count(*) >= :failures ORDER BY count(*) DESC, first LIMIT 1
""")


def _most_common(errors: Sequence[str]) -> str:
    """Says which error most of the trials share: `2 of them with: diverged at epoch 1 to 3`."""
    common = most_common_error(errors)
    return (
        f"all with: {common.words}" if common.trials == len(errors) else f"{common.trials} of them with: {common.words}"
    )


def _best_trial(session: Session, sweep: Sweep, *ties: InstrumentedAttribute[Any]) -> Trial | None:
    """The best configuration's first trial; of trials with equal values the first by these columns."""
    best = session.execute(IDENTIFIED_BEST, {"sweep": sweep.id}).one_or_none()
    if best is None:
        return None
    complete = select(Trial).where(Trial.sweep_id == sweep.id, Trial.state == TrialState.complete, ~Trial.excluded)
    equal = complete.where(or_(Trial.id == best.id, Trial.value == best.value))
    return session.scalar(equal.order_by(*ties).limit(1))


_RULES: tuple[Callable[[Session, Sweep, StopRules], str | None], ...] = (_target, _failures, _no_improvement, _seconds)

_OVERDUE_SWEEPS = text("""
    SELECT id FROM sweeps
    WHERE state IN ('queued', 'running', 'paused')
      AND clock_timestamp() >= started_at
          + make_interval(secs => CAST(stop_rules ->> 'seconds' AS float8) + ended_seconds)
""")

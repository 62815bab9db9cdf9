"""The row of a sweep: how every writer finds, locks, changes and closes it.

A writer locks the sweep's row before it writes to the sweep or its trials, and ends with `touch` or `mark_changed`.
"""

from collections.abc import Iterable

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db.notifications import NOTIFY_SQL, wake_workers
from app.db.tables import Sweep, Trial
from app.domain import transitions
from app.domain.people.log_events import LogEvent
from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState, TrialState
from app.domain.sweep_limits import MAX_TRIALS
from app.errors import ConflictError, NotFoundError
from app.lifecycle import rungs, survivors, sweep_log, weight_retention
from app.lifecycle.trial_changes import CANCELLED

# Waits for this transaction's turn at the sweep. Whoever waits for a row is woken by each transaction that has changed
# it, to wait for its next version: each of a hundred writers would wake all others. A lock beside it is handed from one
# writer to the next, in the order in which they came; the row's lock stands behind it, and is what counts. Nobody who
# holds the row waits for a turn at it, since whoever has the turn waits for the row.
TURN_SQL = "(SELECT CAST(pg_advisory_xact_lock(hashtextextended('sweep/' || :sweep, 0)) AS text)) IS NOT NULL"


def get(session: Session, sweep_id: int, *, lock: bool = False) -> Sweep:
    """The sweep, its row locked if asked. Raises NotFoundError."""
    sweep = _locked(session, sweep_id) if lock else session.get(Sweep, sweep_id)
    if sweep is None:
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return sweep


def lock(session: Session, sweep_id: int) -> Sweep | None:
    """The sweep, its row locked; None when it was deleted, and all its trials with it, while a worker trained."""
    return _locked(session, sweep_id)


def lock_all(session: Session, sweep_ids: Iterable[int]) -> list[Sweep]:
    """Those of the sweeps that are there, their rows locked in the order of their ids, before anything else is."""
    sweeps = [_locked(session, sweep_id) for sweep_id in sorted(sweep_ids)]
    return [sweep for sweep in sweeps if sweep is not None]


def _locked(session: Session, sweep_id: int) -> Sweep | None:
    row = select(Sweep).where(Sweep.id == sweep_id, text(TURN_SQL)).with_for_update()
    return session.scalar(row.execution_options(populate_existing=True), {"sweep": sweep_id})


def get_trial(session: Session, sweep_id: int, number: int) -> Trial:
    """The trial of that number. Raises NotFoundError."""
    get(session, sweep_id)
    query = select(Trial).where(Trial.sweep_id == sweep_id, Trial.number == number)
    trial = session.scalar(query.execution_options(populate_existing=True))
    if trial is None:
        raise NotFoundError(f"Sweep {sweep_id} has no trial {number}.")
    return trial


def change_state(session: Session, sweep_id: int, call: str, rule: str | None = None) -> Sweep:
    """Pauses, resumes, stops or cancels the sweep, as `call` says; `rule`: which of its own rules wants it, in words.

    Raises ConflictError, naming both states, where the state does not allow it.
    """
    sweep = get(session, sweep_id, lock=True)
    target = transitions.SWEEPS.target(call, sweep.state, f"Sweep {sweep_id}")
    if target is None:
        return sweep
    if call == "stop":
        rungs.end_started(session, sweep)
        _cancel_trials(session, sweep_id, [TrialState.waiting])
    if call == "cancel":
        _cancel_trials(session, sweep_id, LIVE_TRIALS)
        weight_retention.drop_superseded(session, sweep)
        sweep.finished_at = func.clock_timestamp()
    if call == "resume" and sweep.started_at is None:
        target = SweepState.queued
    sweep.state = target
    event, words = (LogEvent.state, _PAST[call]) if rule is None else (LogEvent.stop_rule, f"Stopped by a rule: {rule}")
    sweep_log.note(session, sweep_id, event, words)
    touch(session, sweep)
    return sweep


def reopen(session: Session, sweep: Sweep) -> None:
    """Lets a sweep go on, which has more to do; one that had ended is scored again at its end. The sweep is locked.

    Raises ConflictError where it is stopping.
    """
    target = transitions.SWEEPS.target(transitions.MORE_TO_DO, sweep.state, f"Sweep {sweep.id}")
    sweep.stop_reason = None  # also where the search has ended and its trials still train
    if target is not None:
        if sweep.started_at is not None:
            since_end = func.extract("epoch", func.clock_timestamp() - Sweep.finished_at)
            sweep.ended_seconds = Sweep.ended_seconds + func.greatest(0.0, since_end)
        sweep.state = target if sweep.started_at is not None else SweepState.queued
        sweep.finished_at, sweep.scored = None, False
        session.flush()
        session.refresh(sweep)


def touch(session: Session, sweep: Sweep) -> None:
    """Ends a change of a sweep that is locked: closes it if nothing is left to do, and marks it changed."""
    close_if_done(session, [sweep.id])
    mark_changed(session, sweep.id)
    session.refresh(sweep)


def mark_changed(session: Session, sweep_id: int, *, has_work: bool = True) -> None:
    """Raises the revision of a sweep that is locked, and wakes those who read it.

    `has_work`: whether workers that have nothing to do are to look again.
    """
    session.flush()
    session.execute(_MARK_CHANGED, {"sweep": sweep_id})
    if has_work:
        wake_workers(session, sweep_id)


def close_if_done(session: Session, sweep_ids: Iterable[int], completed: int | None = None) -> set[int]:
    """Ends each of these sweeps that has no live trial left: completed if any trial was, else failed or cancelled.

    Returns the ids of those that it has ended.

    Before that, trials that wait at rungs go on, or end where no other trial is left, and survivors get further seeds.
    `completed`: how many trials of each this transaction has completed, where that is all that may give them some.
    """
    sweep_ids = list(sweep_ids)
    session.flush()
    rungs.settle(session, sweep_ids)
    survivors.settle(session, sweep_ids, completed)

    ended = session.execute(_CLOSE, {"ids": sweep_ids})
    states = {sweep_id: state for sweep_id, state in ended.all()}  # noqa: C416 (of rows mypy knows no types)
    for sweep_id, state in states.items():
        sweep_log.note(session, sweep_id, LogEvent.ended, f"Ended: {state}")
    return {*states}


def next_number(session: Session, sweep: Sweep, count: int = 1) -> int:
    """The number of the first of `count` further trials of a locked sweep. Raises ConflictError where it is full."""
    columns = (func.count(), func.coalesce(func.max(Trial.number) + 1, 0))
    n_trials, number = session.execute(select(*columns).where(Trial.sweep_id == sweep.id)).one()
    if n_trials + count > MAX_TRIALS:
        raise ConflictError(
            f"Sweep {sweep.id} has {n_trials:,} trials; with {count:,} more it would have over {MAX_TRIALS:,}."
        )
    return int(number)


def _cancel_trials(session: Session, sweep_id: int, states: Iterable[TrialState]) -> None:
    session.execute(_CANCEL_TRIALS, {"sweep": sweep_id, "states": list(states)})


_PAST = {"pause": "Paused", "resume": "Resumed", "stop": "Stopped", "cancel": "Cancelled"}

_MARK_CHANGED = text(f"""
    WITH changed AS (UPDATE sweeps SET revision = revision + 1 WHERE id = :sweep RETURNING id)
    SELECT {NOTIFY_SQL} FROM changed
""")

_ENDED = ", ".join(f"'{state}'" for state in ENDED_SWEEPS)
_HAS_TRIAL = "EXISTS (SELECT FROM trials t WHERE t.sweep_id = s.id AND t.state IN ({states}))"

# Whether a trial is live is told by the stored totals: of a large sweep, all that waits might be read to see it.
_CLOSE = text(f"""
    UPDATE sweeps s
    SET state = CAST(CASE WHEN {_HAS_TRIAL.format(states="'complete', 'pruned'")} THEN 'completed'
                          WHEN {_HAS_TRIAL.format(states="'failed'")} THEN 'failed'
                          ELSE 'cancelled' END AS sweep_state),
        finished_at = clock_timestamp(), revision = revision + 1
    WHERE s.id = ANY(:ids) AND s.state NOT IN ({_ENDED})
      AND (SELECT waiting + running FROM sweep_totals WHERE sweep_id = s.id) = 0
    RETURNING s.id, s.state
""")

_CANCEL_TRIALS = text(f"""
    UPDATE trials SET {CANCELLED}
    WHERE sweep_id = :sweep AND state = ANY(CAST(CAST(:states AS text[]) AS trial_state[]))
""")

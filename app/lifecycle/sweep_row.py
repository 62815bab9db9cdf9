"""The row of a sweep: how every writer finds, locks, changes and closes it."""

from collections.abc import Iterable

from sqlalchemy import Exists, Select, case, cast, func, select, update
from sqlalchemy.orm import Session

from app.db.notifications import notify
from app.db.tables import Sweep, Trial
from app.domain import transitions
from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState, TrialState
from app.errors import ConflictError, NotFoundError
from app.lifecycle import best, weight_retention

MAX_TRIALS = 100_000  # of a sweep


def get(session: Session, sweep_id: int, *, lock: bool = False) -> Sweep:
    """The sweep. Raises NotFoundError."""
    sweep = session.get(Sweep, sweep_id, with_for_update=lock, populate_existing=lock)
    if sweep is None:
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return sweep


def lock(session: Session, sweep_id: int) -> Sweep | None:
    """The sweep, locked; None when it was deleted, and all its trials with it, while a worker trained."""
    return session.get(Sweep, sweep_id, with_for_update=True, populate_existing=True)


def get_trial(session: Session, sweep_id: int, number: int) -> Trial:
    """The trial of that number. Raises NotFoundError."""
    get(session, sweep_id)
    found = select(Trial).where(Trial.sweep_id == sweep_id, Trial.number == number)
    trial = session.scalar(found.execution_options(populate_existing=True))
    if trial is None:
        raise NotFoundError(f"Sweep {sweep_id} has no trial {number}.")
    return trial


def change_state(session: Session, sweep_id: int, call: str) -> Sweep:
    """Pause, resume, stop or cancel. Raises ConflictError, naming both states, where the state does not allow it."""
    sweep = get(session, sweep_id, lock=True)
    target = transitions.SWEEPS.target(call, sweep.state, f"Sweep {sweep_id}")
    if target is None:
        return sweep
    if call in {"stop", "cancel"}:
        _cancel_trials(session, sweep_id, [TrialState.waiting] if call == "stop" else list(LIVE_TRIALS))
    if call == "cancel":
        weight_retention.drop_passing(session, sweep, best_trial_id(sweep))
        sweep.finished_at = func.clock_timestamp()
    if call == "resume" and sweep.started_at is None:
        target = SweepState.queued
    sweep.state = target
    touch(session, sweep)
    return sweep


def reopen(session: Session, sweep: Sweep) -> None:
    """Lets an ended sweep go on, which has more to do; it is scored again at its end. The sweep is locked.

    Raises ConflictError where it is stopping.
    """
    target = transitions.SWEEPS.target("(more to do)", sweep.state, f"Sweep {sweep.id}")
    if target is not None:
        sweep.state = target if sweep.started_at is not None else SweepState.queued
        sweep.finished_at, sweep.scored, sweep.stop_reason = None, False, None
        session.flush()


def touch(session: Session, sweep: Sweep) -> None:
    """Ends a change of a sweep that is locked: its revision grows, it closes if nothing is left, readers are woken."""
    sweep.revision += 1
    session.flush()
    close_if_done(session, [sweep.id])
    notify(session, sweep.id)
    session.refresh(sweep)


def next_number(session: Session, sweep: Sweep, more: int = 1) -> int:
    """That of the first of so many further trials of a sweep that is locked. Raises ConflictError where it is full."""
    trials = select(func.count(), func.coalesce(func.max(Trial.number) + 1, 0)).where(Trial.sweep_id == sweep.id)
    count, number = session.execute(trials).one()
    if count + more > MAX_TRIALS:
        raise ConflictError(
            f"Sweep {sweep.id} has {count:,} trials; with {more:,} more it would have over {MAX_TRIALS:,}."
        )
    return int(number)


def best_trial_id(sweep: Sweep) -> Select[int]:
    """The id of the best configuration's first trial; excluded trials don't count."""
    return best.best_trial_id(sweep)


def close_if_done(session: Session, sweep_ids: Iterable[int]) -> None:
    """Ends each of these sweeps that has no live trial left: completed if any trial was, else failed or cancelled."""

    def has(*states: TrialState) -> Exists:
        return select(Trial.id).where(Trial.sweep_id == Sweep.id, Trial.state.in_(states)).exists()

    outcome = case(
        (has(TrialState.complete, TrialState.pruned), SweepState.completed),
        (has(TrialState.failed), SweepState.failed),
        else_=SweepState.cancelled,
    )
    session.execute(
        update(Sweep)
        .where(Sweep.id.in_(list(sweep_ids)), Sweep.state.not_in(ENDED_SWEEPS), ~has(*LIVE_TRIALS))
        .values(state=cast(outcome, Sweep.state.type), finished_at=func.clock_timestamp(), revision=Sweep.revision + 1)
        .execution_options(synchronize_session=False)
    )


def _cancel_trials(session: Session, sweep_id: int, states: list[TrialState]) -> None:
    session.execute(
        update(Trial)
        .where(Trial.sweep_id == sweep_id, Trial.state.in_(states))
        .values(state=TrialState.cancelled, lease_token=None, lease_until=None, finished_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def mark_changed(session: Session, sweep_id: int) -> None:
    """Raises the sweep's revision and wakes readers; the sweep's row is locked or is the only one written."""
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(revision=Sweep.revision + 1))
    notify(session, sweep_id)

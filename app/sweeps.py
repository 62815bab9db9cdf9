"""What can be done with sweeps. Each use case takes a session; the caller's transaction commits."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Exists, Select, case, cast, func, select, text, update
from sqlalchemy.orm import Session

from app import best, lifecycle, weights
from app.catalog import DATASETS
from app.db import CHANNEL
from app.errors import ConflictError, FieldError, InvalidError, NotFoundError
from app.models import ENDED_SWEEPS, LIVE_TRIALS, Sweep, SweepState, Trial, TrialState
from app.schemas import Objective, OneObjective, SweepCreate
from app.search_checks import check_search
from app.space import Space, check_model_fits, parse_constraints, parse_space
from app.trial_rows import add_trials

MAX_TRIALS = 100_000  # of a sweep
# Fields of a body that are columns of the same name.
_COPIED = {"name", "task", "dataset", "split", "space", "seeds", "seed", "keep_models", "notes", "tags", "priority"}
_COPIED |= {"webhook", "constraints", "repeats"}


def create(
    session: Session, body: SweepCreate, idempotency_key: str | None = None, exercise_run_id: int | None = None
) -> Sweep:
    """Stores the sweep and all its trials as waiting rows; the same key gives the same sweep.

    Raises InvalidError for a space that can't be searched and ConflictError for a key used with another body.
    """
    space, n_trials = checked(body)
    request_hash = hashlib.sha256(body.model_dump_json().encode()).hexdigest() if idempotency_key else None
    if idempotency_key:
        # two posts with one key at once: the second waits here until the first has committed
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(idempotency_key, 0))))
        earlier = session.scalar(select(Sweep).where(Sweep.idempotency_key == idempotency_key))
        if earlier is not None:
            if earlier.request_hash != request_hash:
                raise ConflictError(f"This Idempotency-Key belongs to sweep {earlier.id}, which has another body.")
            return earlier
    sweep = Sweep(
        **body.model_dump(include=_COPIED),
        sampler=body.sampler.model_dump(exclude_unset=True),
        **_search_columns(body),
        exercise_run_id=exercise_run_id,
        idempotency_key=idempotency_key,
        request_hash=request_hash,
    )
    session.add(sweep)
    session.flush()
    session.refresh(sweep)
    cells = list(space.grid()) if body.sampler.name == "grid" else []
    add_trials(session, sweep, range(len(cells) or n_trials), cells)
    notify(session, sweep.id)
    return sweep


def _search_columns(body: SweepCreate) -> dict[str, Any]:
    """The columns of what is optimised, and when trials and the sweep stop."""
    objectives: Sequence[Objective | OneObjective] = body.objectives or [body.objective]
    first, *others = objectives
    return {
        "metric": first.metric,
        "direction": first.direction,
        "objectives": [other.model_dump() for other in others],
        "best_by": body.best_by,
        "pruner": None if body.pruner is None else body.pruner.model_dump(exclude_unset=True),
        "stop_rules": {} if body.stop is None else body.stop.model_dump(exclude_none=True),
    }


def get(session: Session, sweep_id: int, *, lock: bool = False) -> Sweep:
    """The sweep. Raises NotFoundError."""
    sweep = session.get(Sweep, sweep_id, with_for_update=lock, populate_existing=lock)
    if sweep is None:
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return sweep


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
    target = lifecycle.SWEEPS.target(call, sweep.state, f"Sweep {sweep_id}")
    if target is None:
        return sweep
    if call in {"stop", "cancel"}:
        _cancel_trials(session, sweep_id, [TrialState.waiting] if call == "stop" else list(LIVE_TRIALS))
    if call == "cancel":
        weights.drop_passing(session, sweep, best_trial_id(sweep))
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
    target = lifecycle.SWEEPS.target("(more to do)", sweep.state, f"Sweep {sweep.id}")
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


def delete(session: Session, sweep_id: int) -> None:
    """Removes the sweep with all that was measured. Raises ConflictError while trials of it are running."""
    sweep = get(session, sweep_id, lock=True)
    if sweep.state in {SweepState.running, SweepState.stopping}:
        raise ConflictError(f"Sweep {sweep_id} is {sweep.state}: it can be deleted once it has ended; cancel it first.")
    running = session.scalar(select(func.count()).where(Trial.sweep_id == sweep_id, Trial.state == TrialState.running))
    if running:
        raise ConflictError(
            f"Sweep {sweep_id} is {sweep.state}, but {running} of its trials still run; cancel it first."
        )
    session.delete(sweep)
    notify(session, sweep_id)


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


def checked(body: SweepCreate) -> tuple[Space, int]:
    """The space and the number of trials, of a grid that of its feasible cells. Raises InvalidError."""
    check_text({"name": body.name, "notes": body.notes})
    check_search(body)
    space = parse_space(body.space)
    facts = DATASETS[body.dataset]
    constraints = parse_constraints(body.constraints, space, (facts.features, facts.classes))
    check_model_fits(space, facts.features, facts.classes, body.seeds, constraints.most_parameters())
    if body.sampler.name != "grid":
        if body.n_trials is None:
            missing = FieldError(("n_trials",), "is missing: say how many trials, or use the sampler grid")
            raise InvalidError("The budget is missing.", [missing])
        return space, body.n_trials
    cells = space.grid_size()
    if constraints.items:
        cells = sum(constraints.broken(cell) is None for cell in space.grid())
        if not cells:
            raise InvalidError(
                "The grid is empty.", [FieldError(("constraints",), "are satisfied by no cell of the grid")]
            )
    if body.n_trials not in {None, cells}:
        other = FieldError(("n_trials",), f"must be {cells}, the number of cells, or be left out for a grid")
        raise InvalidError("A grid is every cell once.", [other])
    return space, cells


def check_text(texts: Mapping[str, str]) -> None:
    """Raises InvalidError for what Postgres can't store, by the name of the field."""
    errors = [FieldError((name,), "can't contain the character U+0000") for name, one in texts.items() if "\0" in one]
    if errors:
        raise InvalidError("A text has a character that can't be stored.", errors)


def _cancel_trials(session: Session, sweep_id: int, states: list[TrialState]) -> None:
    session.execute(
        update(Trial)
        .where(Trial.sweep_id == sweep_id, Trial.state.in_(states))
        .values(state=TrialState.cancelled, lease_token=None, lease_until=None, finished_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def notify(session: Session, sweep_id: int) -> None:
    """Wakes who listens, once this transaction commits. A hint: the reader reads the truth again."""
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(sweep_id)})

"""Creation: stores a sweep and its trials, which then wait."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.notifications import notify
from app.db.tables import Sweep, Trial
from app.db.trial_rows import insert_trials, new_trials, trial_size
from app.domain.formatting import plural
from app.domain.people.log_events import LogEvent
from app.domain.sampling import traits_of
from app.errors import ConflictError
from app.lifecycle import sweep_log
from app.schemas import Objective, OneObjective, SweepCreate, WarmStarted
from app.sweeps import previews, warm_starts
from app.sweeps.body_checks import check_body, with_objective
from app.sweeps.warm_starts import WarmTrial

# Fields of a body that are columns of the same name.
_SAME_COLUMNS = {
    *("name", "task", "dataset", "split", "space", "constraints", "seed", "repeats", "keep_models"),
    *("diagnostics", "notes", "tags", "priority", "device", "webhook"),
}


class ExerciseSweep(NamedTuple):
    """The place of a sweep in a run of an exercise."""

    run_id: int
    name: str  # the exercise's own for the sweep


def create(
    session: Session,
    body: SweepCreate,
    idempotency_key: str | None = None,
    exercise_sweep: ExerciseSweep | None = None,
    like: int | None = None,
) -> Sweep:
    """Stores the sweep and all its trials as waiting rows; the same key gives the same sweep.

    `like`: the sweep of which it is a copy, as its log says.

    Raises InvalidError for a space that can't be searched and ConflictError for a key used with another body.
    """
    dataset = datasets.get_named(session, body.dataset)
    body = with_objective(body, dataset)
    space, n_trials = check_body(body, dataset)
    request_hash = hashlib.sha256(body.model_dump_json().encode()).hexdigest() if idempotency_key else None
    sweep = Sweep(
        **body.model_dump(include=_SAME_COLUMNS),
        sampler=body.sampler.model_dump(exclude_unset=True),
        **_search_columns(body),
        trial_seconds=previews.trial_seconds(session, previews.Budget(body, space, n_trials, dataset)),
        stored_dataset=datasets.stored(session, body.dataset),
        exercise_run_id=exercise_sweep.run_id if exercise_sweep else None,
        exercise_sweep=exercise_sweep.name if exercise_sweep else None,
        idempotency_key=idempotency_key,
        request_hash=request_hash,
    )
    # before the lock of the key: the cells of a large grid take seconds
    cells = new_trials(sweep, list(space.grid())) if traits_of(body.sampler.name).enumerates else []
    if idempotency_key and (earlier := _sweep_of_key(session, idempotency_key)) is not None:
        if earlier.request_hash != request_hash:
            raise ConflictError(f"This Idempotency-Key belongs to sweep {earlier.id}, which has another body.")
        return earlier
    warm_trials, left_out = warm_starts.choose(session, body, space, n_trials)
    if body.warm_start is not None:
        sweep.warm_started = WarmStarted(trials=len(warm_trials), left_out=left_out).model_dump()
    session.add(sweep)
    session.flush()
    session.refresh(sweep)
    _add_warm_trials(session, sweep, warm_trials)
    insert_trials(session, sweep.id, range(len(warm_trials), len(cells) or n_trials), cells)
    origin = "" if like is None else f", a copy of sweep {like}"
    sweep_log.note(
        session, sweep.id, LogEvent.created, f"Created with {plural(len(cells) or n_trials, 'trial')}{origin}"
    )
    notify(session, sweep.id)
    return sweep


def _add_warm_trials(session: Session, sweep: Sweep, warm_trials: Sequence[WarmTrial]) -> None:
    """The configurations of earlier sweeps become the first trials, ahead of the sampler's."""
    session.add_all(
        Trial(
            sweep_id=sweep.id,
            number=number,
            params=trial.params,
            enqueued=True,
            warm_started_from=trial.sweep_id,
            **trial_size(sweep, trial.params),
        )
        for number, trial in enumerate(warm_trials)
    )
    session.flush()


def _sweep_of_key(session: Session, idempotency_key: str) -> Sweep | None:
    """The sweep that was posted with this key."""
    # two posts with one key at once: the second waits here until the first has committed
    name = f"idempotency/{idempotency_key}"  # its own, so that no key is the name of another lock
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    return session.scalar(select(Sweep).where(Sweep.idempotency_key == idempotency_key))


def _search_columns(body: SweepCreate) -> dict[str, Any]:
    """The columns of what is optimised, where it begins, and when trials and the sweep stop."""
    objectives: Sequence[Objective | OneObjective] = body.objectives or [body.objective]
    first, *further = objectives
    return {
        "metric": first.metric,
        "direction": first.direction,
        "objectives": [objective.model_dump() for objective in further],
        "best_by": body.best_by,
        "seeds": body.first_seeds,
        "survivor_seeds": body.survivor_seeds,
        "pruner": None if body.pruner is None else body.pruner.model_dump(exclude_unset=True),
        "warm_start": None if body.warm_start is None else body.warm_start.model_dump(exclude_unset=True),
        "stop_rules": {} if body.stop is None else body.stop.model_dump(exclude_none=True),
    }

"""Warm starts: the best configurations of earlier sweeps become the first trials of a new one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.tables import Sweep, Trial
from app.db.trial_rows import configuration
from app.domain.space import Space, parse_constraints
from app.domain.space.transfer import OutsideError, transferred
from app.errors import FieldError, InvalidError
from app.lifecycle import best
from app.schemas import LeftOut, SweepCreate, WarmStarted

MAX_CANDIDATES = 200  # best configurations of each sweep that are looked at
MAX_LEFT_OUT = 20  # that are told


class WarmTrial(NamedTuple):
    """A configuration that a sweep tries first."""

    sweep_id: int
    """The earlier sweep."""
    params: dict[str, Any]
    """By which the new sweep's space names it."""


def choose(session: Session, body: SweepCreate, space: Space, n_trials: int) -> tuple[list[WarmTrial], list[LeftOut]]:
    """The configurations that a sweep of this body tries first, and those that it can't try although they are better.

    The earlier sweeps take turns, so that values of other seeds or splits are not compared. Raises InvalidError for a
    sweep that is not there, or whose best is the best of something else.
    """
    if body.warm_start is None:
        return [], []
    constraints = parse_constraints(body.constraints, space, datasets.get_named(session, body.dataset).shape)
    limit = min(body.warm_start.trials, n_trials)
    warm_trials: dict[str, WarmTrial] = {}  # by configuration
    left_out: list[LeftOut] = []
    for sweep_id, trial in _candidates(session, _earlier_sweeps(session, body)):
        if len(warm_trials) == limit:
            break
        if trial is None:
            left_out.append(LeftOut(sweep=sweep_id, trial=None, reason="no trial is complete yet"))
            continue
        try:
            params = transferred(space, constraints, trial.params or {})
        except OutsideError as error:
            left_out.append(LeftOut(sweep=sweep_id, trial=trial.number, reason=str(error)))
        else:
            warm_trials.setdefault(configuration(params), WarmTrial(sweep_id, params))
    return list(warm_trials.values()), left_out[:MAX_LEFT_OUT]


def preview(session: Session, body: SweepCreate, space: Space, n_trials: int) -> WarmStarted | None:
    """What would become of the body's warm start now. Raises InvalidError as `choose` does."""
    if body.warm_start is None:
        return None
    warm_trials, left_out = choose(session, body, space, n_trials)
    return WarmStarted(trials=len(warm_trials), left_out=left_out)


def _earlier_sweeps(session: Session, body: SweepCreate) -> list[Sweep]:
    """The sweeps that the body names, each once. Raises InvalidError."""
    assert body.warm_start is not None
    objective = body.objectives[0] if body.objectives else body.objective
    sweeps: dict[int, Sweep] = {}
    errors = []
    for place, sweep_id in enumerate(body.warm_start.sweeps):
        sweep = session.get(Sweep, sweep_id)
        if sweep is None:
            problem = f"is {sweep_id}, and there is no such sweep"
        elif sweep.dataset != body.dataset:
            problem = f"is sweep {sweep_id} on {sweep.dataset}: must be one on {body.dataset}"
        elif (sweep.metric, sweep.direction) != (objective.metric, objective.direction):
            problem = f"is sweep {sweep_id}, which should {sweep.direction} {sweep.metric}: must be one that should "
            problem += f"{objective.direction} {objective.metric}"
        else:
            sweeps[sweep_id] = sweep
            continue
        errors.append(FieldError(("warm_start", "sweeps", place), problem))
    if errors:
        raise InvalidError("The sweep can't begin with configurations of these sweeps.", errors)
    return list(sweeps.values())


def _candidates(session: Session, sweeps: Sequence[Sweep]) -> Iterator[tuple[int, Trial | None]]:
    """The best configuration of each sweep, then the second best, and so on; None where a sweep has none at all."""
    rankings = [_ranking(session, sweep) for sweep in sweeps]
    for sweep, ranking in zip(sweeps, rankings, strict=True):
        if not ranking:
            yield sweep.id, None
    for trials in zip_longest(*rankings):
        yield from ((trial.sweep_id, trial) for trial in trials if trial is not None)


def _ranking(session: Session, sweep: Sweep) -> list[Trial]:
    """The first trials of the sweep's best configurations, the best first."""
    ids = best.top_ids(session, sweep.id, MAX_CANDIDATES)
    trials: Iterable[Trial] = session.scalars(select(Trial).where(Trial.id.in_(ids)))
    return sorted(trials, key=lambda trial: ids.index(trial.id))

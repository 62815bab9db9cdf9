"""Sweeps as the API shows them, with their counts, progress and best configuration."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Sweep
from app.domain.states import SweepState, TrialState
from app.errors import NotFoundError
from app.lifecycle import sweep_row
from app.queries import objective_values, statements
from app.queries.best_configurations import best_configurations
from app.queries.time_left import TimeLeft, times_left


def summary(session: Session, sweep_id: int) -> schemas.SweepOut:
    """One sweep as it stands. Raises NotFoundError."""
    sweep = next(iter(summaries(session, [sweep_row.get(session, sweep_id)])), None)
    if sweep is None:  # deleted between two statements
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return sweep


def summaries(session: Session, sweeps: Sequence[Sweep]) -> list[schemas.SweepOut]:
    """These sweeps as they stand, in a number of statements that does not grow with theirs.

    One that is deleted meanwhile is left out.
    """
    ids = [sweep.id for sweep in sweeps]
    totals = {row.sweep_id: row for row in session.execute(statements.TOTALS, {"ids": ids})}
    eta = times_left(session, sweeps, totals)
    bests, fronts = best_configurations(session, ids), objective_values.fronts(session, sweeps)
    return [
        _summary(sweep, totals[sweep.id], bests.get(sweep.id), eta.get(sweep.id), fronts.get(sweep.id))
        for sweep in sweeps
        if sweep.id in totals
    ]


def list_sweeps(
    session: Session,
    state: SweepState | None = None,
    tag: str | None = None,
    *,
    limit: int = 50,
    after: int | None = None,
) -> schemas.Page[schemas.SweepOut]:
    """Sweeps in this state and with this tag, the newest first."""
    query = select(Sweep).order_by(Sweep.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Sweep.state == state)
    if tag is not None:
        query = query.where(Sweep.tags.contains([tag]))
    if after is not None:
        query = query.where(Sweep.id < after)
    sweeps = session.scalars(query).all()
    next_cursor = str(sweeps[limit - 1].id) if len(sweeps) > limit else None
    return schemas.Page(items=summaries(session, sweeps[:limit]), next=next_cursor)


def tags(session: Session, limit: int = 30) -> list[str]:
    """The tags that sweeps have, those of most sweeps first."""
    rows = select(func.unnest(Sweep.tags).label("tag")).subquery()
    by_count = select(rows.c.tag).group_by(rows.c.tag).order_by(func.count().desc(), rows.c.tag)
    return list(session.scalars(by_count.limit(limit)))


_SAME_AS_ROW = (
    *("id", "name", "state", "task", "dataset", "split", "space", "seed", "revision", "keep_models", "notes"),
    *("tags", "priority", "best_by", "stop_reason", "imported_from", "constraints", "repeats", "environment"),
    *("diagnostics", "created_at", "started_at", "finished_at"),
)


def _summary(
    sweep: Sweep, totals: Row[Any], best: schemas.Best | None, eta: TimeLeft | None, pareto: list[int] | None
) -> schemas.SweepOut:
    """`totals` is the sweep's row of TOTALS, `eta` how long it still takes, `pareto` the front."""
    counts = {state.value: getattr(totals, state.value) for state in TrialState}
    objective = {"metric": sweep.metric, "direction": sweep.direction}
    objectives = [objective, *sweep.objectives] if sweep.objectives else []
    return schemas.SweepOut(
        **{name: getattr(sweep, name) for name in _SAME_AS_ROW},
        counts=schemas.Counts(**counts),
        epochs=schemas.EpochCounts(done=totals.epochs_done, total=totals.epochs_total),
        progress=1.0 if sweep.state == SweepState.completed else totals.progress,
        eta_seconds=eta.seconds if eta else None,
        eta_by=eta.by if eta else None,
        took_seconds=_took_seconds(sweep),
        best=best,
        test_looks=len(sweep.test_scores),
        test_scores=[schemas.ScoreOut.model_validate(look) for look in sweep.test_scores],
        sampler=_as_posted(sweep.sampler) or "",
        pruner=_as_posted(sweep.pruner),
        warm_start=_warm_start_as_posted(sweep.warm_start),
        warm_started=schemas.WarmStarted.model_validate(sweep.warm_started) if sweep.warm_started else None,
        seeds=_seeds_as_posted(sweep),
        n_trials=sum(counts.values()) - counts["infeasible"] - totals.survivor_trials,
        survivor_trials=totals.survivor_trials,
        webhook=schemas.WebhookOut(url=sweep.webhook["url"]) if sweep.webhook else None,
        objective=schemas.Objective.model_validate(objective),
        objectives=[schemas.OneObjective.model_validate(pair) for pair in objectives] or None,
        pareto=pareto,
        stop=schemas.StopRules.model_validate(sweep.stop_rules) if sweep.stop_rules else None,
    )


def _took_seconds(sweep: Sweep) -> float | None:
    """From the first trial's start to the end, without the time in which it had ended before."""
    if sweep.finished_at is None or sweep.started_at is None:
        return None
    return max(0.0, (sweep.finished_at - sweep.started_at).total_seconds() - sweep.ended_seconds)


def _as_posted(options: dict[str, Any] | None) -> str | dict[str, Any] | None:
    """A sampler or pruner as it was posted: its bare name where it has no options."""
    return options["name"] if options and len(options) == 1 else options


def _warm_start_as_posted(options: dict[str, Any] | None) -> list[int] | dict[str, Any] | None:
    """A warm start as it was posted: the bare list of sweeps where it has no other option."""
    return list(options["sweeps"]) if options and len(options) == 1 else options


def _seeds_as_posted(sweep: Sweep) -> int | schemas.SurvivorSeeds:
    """The number of each configuration's runs, or that and the one of survivors."""
    if sweep.survivor_seeds is None:
        return sweep.seeds
    return schemas.SurvivorSeeds(first=sweep.seeds, survivors=sweep.survivor_seeds)

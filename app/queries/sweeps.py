"""Sweeps as they stand: their counts, progress and best configuration."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Sweep
from app.domain.states import SweepState, TrialState
from app.errors import NotFoundError
from app.lifecycle import best, sweep_row
from app.queries import objective_values, statements


def summary(session: Session, sweep_id: int) -> schemas.SweepOut:
    """One sweep as it stands. Raises NotFoundError."""
    found = summaries(session, [sweep_row.get(session, sweep_id)])
    if not found:  # deleted between two statements
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return found[0]


def summaries(session: Session, chosen: Sequence[Sweep]) -> list[schemas.SweepOut]:
    """These sweeps as they stand, in a number of statements that does not grow with theirs.

    One that is deleted meanwhile is left out.
    """
    ids = [sweep.id for sweep in chosen]
    totals = {row.sweep_id: row for row in session.execute(statements.TOTALS, {"ids": ids})}
    going = [sweep.id for sweep in chosen if sweep.state in {SweepState.running, SweepState.stopping}]
    trained = {row.sweep_id: row.seconds for row in session.execute(statements.TRAINED, {"ids": going})}
    found, front = _best(session, ids), objective_values.fronts(session, chosen)
    return [
        _summary(sweep, totals[sweep.id], found.get(sweep.id), trained.get(sweep.id), front.get(sweep.id))
        for sweep in chosen
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
    """Newest first."""
    query = select(Sweep).order_by(Sweep.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Sweep.state == state)
    if tag is not None:
        query = query.where(Sweep.tags.contains([tag]))
    if after is not None:
        query = query.where(Sweep.id < after)
    found = session.scalars(query).all()
    following = str(found[limit - 1].id) if len(found) > limit else None
    return schemas.Page(items=summaries(session, found[:limit]), next=following)


def tags(session: Session, limit: int = 30) -> list[str]:
    """The tags that sweeps have, those of most sweeps first."""
    each = select(func.unnest(Sweep.tags).label("tag")).subquery()
    counted = select(each.c.tag).group_by(each.c.tag).order_by(func.count().desc(), each.c.tag)
    return list(session.scalars(counted.limit(limit)))


def _best(session: Session, sweep_ids: Sequence[int]) -> dict[int, schemas.Best]:
    fields = ("number", "value", "std", "runs", "bound", "params", "test_accuracy")
    rows = session.execute(best.BEST, {"ids": sweep_ids})
    return {
        row.sweep_id: schemas.Best(
            **{name: getattr(row, name) for name in fields},
            model=f"/api/v1/sweeps/{row.sweep_id}/trials/{row.number}/model" if row.has_model else None,
        )
        for row in rows
    }


def _summary(
    sweep: Sweep, totals: Row[Any], best: schemas.Best | None, trained: float | None, pareto: list[int] | None
) -> schemas.SweepOut:
    counts = {state.value: getattr(totals, state.value) for state in TrialState}
    n_trials = sum(counts.values()) - counts["infeasible"]
    eta = None
    if trained and 0 < totals.progress < 1:
        eta = float(trained) * (1 - totals.progress) / totals.progress
    copied = {"id", "name", "state", "task", "dataset", "split", "space", "seeds", "seed", "revision"}
    copied |= {"keep_models", "notes", "tags", "priority", "best_by", "stop_reason", "imported_from"}
    copied |= {"constraints", "repeats", "environment"}
    first = {"metric": sweep.metric, "direction": sweep.direction}
    several = [first, *sweep.objectives]
    times = {"created_at", "started_at", "finished_at"}
    return schemas.SweepOut(
        **{name: getattr(sweep, name) for name in copied | times},
        counts=schemas.Counts(**counts),
        epochs=schemas.EpochCounts(done=totals.epochs_done, total=totals.epochs_total),
        progress=1.0 if sweep.state == SweepState.completed else totals.progress,
        eta_seconds=eta,
        best=best,
        sampler=_named(sweep.sampler) or "",
        pruner=_named(sweep.pruner),
        n_trials=n_trials,
        webhook=schemas.WebhookOut(url=sweep.webhook["url"]) if sweep.webhook else None,
        objective=schemas.Objective.model_validate(first),
        objectives=[schemas.OneObjective.model_validate(one) for one in several] if sweep.objectives else None,
        pareto=pareto,
        stop=schemas.StopRules.model_validate(sweep.stop_rules) if sweep.stop_rules else None,
    )


def _named(options: dict[str, Any] | None) -> str | dict[str, Any] | None:
    """A sampler or pruner as it was posted: its bare name where it has no options."""
    return options["name"] if options and len(options) == 1 else options

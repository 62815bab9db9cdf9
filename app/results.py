"""What can be read: sweeps with their counts and best trial, trials, learning curves."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, case, func, select, text
from sqlalchemy.orm import Session

from app import best, fronts, result_statements, schemas, sweeps
from app.errors import FieldError, InvalidError, NotFoundError
from app.models import Epoch, Run, Sweep, SweepState, Trial, TrialState, Worker, WorkerState
from app.trial_queue import SILENT_SECONDS


def summary(session: Session, sweep_id: int) -> schemas.SweepOut:
    """One sweep as it stands. Raises NotFoundError."""
    found = summaries(session, [sweeps.get(session, sweep_id)])
    if not found:  # deleted between two statements
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return found[0]


def summaries(session: Session, chosen: Sequence[Sweep]) -> list[schemas.SweepOut]:
    """These sweeps as they stand, in a number of statements that does not grow with theirs.

    One that is deleted meanwhile is left out.
    """
    ids = [sweep.id for sweep in chosen]
    totals = {row.sweep_id: row for row in session.execute(result_statements.TOTALS, {"ids": ids})}
    going = [sweep.id for sweep in chosen if sweep.state in {SweepState.running, SweepState.stopping}]
    trained = {row.sweep_id: row.seconds for row in session.execute(result_statements.TRAINED, {"ids": going})}
    found, front = _best(session, ids), fronts.fronts(session, chosen)
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


def list_trials(
    session: Session,
    sweep_id: int,
    *,
    state: TrialState | None = None,
    order_by: str = "number",
    limit: int = 100,
    after: int | None = None,
    skip: int = 0,
) -> schemas.Page[schemas.TrialOut]:
    """Trials of a sweep. `order_by`: a column, `-` before it turns it round.

    `after` is the `next` of the page before: by number that is the last trial's, so that a page costs the same wherever
    it is, else how many came before. `skip` leaves out so many in any order.
    """
    sweeps.get(session, sweep_id)
    query = select(Trial).where(Trial.sweep_id == sweep_id)
    if state is not None:
        query = query.where(Trial.state == state)
    by_number = order_by.removeprefix("-") == "number"
    if after is not None and by_number:
        query = query.where(Trial.number < after if order_by.startswith("-") else Trial.number > after)
    elif after is not None:
        skip += after
    found = session.scalars(query.order_by(*_order(order_by)).offset(skip).limit(limit + 1)).all()
    last = found[limit - 1].number if by_number and len(found) > limit else skip + limit
    following = str(last) if len(found) > limit else None
    return schemas.Page(items=_trials_out(session, found[:limit]), next=following)


def get_trial(session: Session, sweep_id: int, number: int) -> schemas.TrialOut:
    """One trial with its runs. Raises NotFoundError."""
    return _trials_out(session, [sweeps.get_trial(session, sweep_id, number)])[0]


def list_epochs(
    session: Session, sweep_id: int, number: int, limit: int = 10_000, after: int = 0
) -> schemas.Page[schemas.EpochOut]:
    """The learning curves of a trial, run by run, `after` the first so many points. Raises NotFoundError."""
    trial = sweeps.get_trial(session, sweep_id, number)
    query = select(Epoch).where(Epoch.trial_id == trial.id).order_by(Epoch.seed, Epoch.epoch)
    points = session.scalars(query.offset(after).limit(limit + 1)).all()
    following = str(after + limit) if len(points) > limit else None
    return schemas.Page(items=[schemas.EpochOut.model_validate(point) for point in points[:limit]], next=following)


def list_workers(session: Session) -> list[schemas.WorkerOut]:
    """Workers heard of in the last day, the living first."""
    silent = func.clock_timestamp() - text(f"interval '{SILENT_SECONDS:g} seconds'")
    alive = case((Worker.state == WorkerState.stopped, False), else_=Worker.last_seen > silent).label("alive")
    recent = Worker.last_seen > func.clock_timestamp() - text("interval '1 day'")
    query = select(Worker, alive).where(recent).order_by(alive.desc(), Worker.started_at.desc()).limit(200)
    return [
        schemas.WorkerOut(
            **{
                name: getattr(worker, name)
                for name in schemas.WorkerOut.model_fields
                if name not in {"alive", "trials"}
            },
            alive=is_alive,
            trials=worker.trials_done,
        )
        for worker, is_alive in session.execute(query)
    ]


_SORTABLE = {
    "number": Trial.number,
    "value": Trial.value,
    "state": Trial.state,
    "started_at": Trial.started_at,
    "finished_at": Trial.finished_at,
}


def _order(order_by: str) -> list[Any]:
    column = _SORTABLE.get(order_by.removeprefix("-"))
    if column is None:
        known = FieldError(("query", "order_by"), f"must be one of {', '.join(_SORTABLE)}, perhaps with - before it")
        raise InvalidError(f"Trials can't be ordered by {order_by!r}.", [known])
    ordered = column.desc() if order_by.startswith("-") else column.asc()
    return [ordered.nulls_last(), Trial.number]


def _trials_out(session: Session, trials: Sequence[Trial]) -> list[schemas.TrialOut]:
    ids = [trial.id for trial in trials]
    runs: dict[int, list[Run]] = {}
    for run in session.scalars(select(Run).where(Run.trial_id.in_(ids)).order_by(Run.trial_id, Run.seed)):
        runs.setdefault(run.trial_id, []).append(run)
    metrics = {row.trial_id: row for row in session.execute(result_statements.LAST_METRICS, {"ids": ids})}
    return [_trial_out(trial, runs.get(trial.id, []), metrics.get(trial.id)) for trial in trials]


def _trial_out(trial: Trial, runs: Iterable[Run], metrics: Row[Any] | None) -> schemas.TrialOut:
    ended, started = trial.finished_at, trial.started_at
    return schemas.TrialOut(
        number=trial.number,
        state=trial.state,
        params=trial.params,
        value=trial.value,
        std=trial.std,
        values=None if trial.value is None else [trial.value, *(trial.other_values or [])],
        runs=[schemas.RunOut.model_validate(run) for run in runs],
        metrics=schemas.Metrics(
            **({name: getattr(metrics, name) for name in schemas.Metrics.model_fields} if metrics else {})
        ),
        attempt=trial.attempt,
        history=[schemas.AttemptOut.model_validate(attempt) for attempt in trial.history],
        seconds=(ended - started).total_seconds() if ended and started else None,
        worker=trial.worker_id,
        error=trial.error,
        reason=trial.reason,
        enqueued=trial.enqueued,
        excluded=trial.excluded,
    )


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

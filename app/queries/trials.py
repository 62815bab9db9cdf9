"""Trials as the API shows them, with their runs and learning curves."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, Select, SQLColumnExpression, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Diagnostics, Epoch, Run, Trial
from app.domain.states import TrialState
from app.domain.sweep_limits import MAX_SEEDS
from app.domain.tasks import EVERY_HYPERPARAMETER
from app.errors import FieldError, InvalidError
from app.lifecycle import sweep_row
from app.queries import statements
from app.queries.pages import count_within

Point = TypeVar("Point", Epoch, Diagnostics)  # of one run, after one epoch

# On a page, whatever its limit: ten times as much, which several ask for at once, takes gigabytes.
MAX_RUNS = 10_000  # of trials; a trial has 100 at most
MAX_NUMBERS = 200_000  # of diagnostics; a bottleneck has five for each class
LEAST_MEMBERS = 10  # trials of one configuration that a page of configurations lists, however many runs they have


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
    """One page of a sweep's trials.

    `order_by` is a column, or `params.` and a hyperparameter, or `metrics.` and a metric after the last epoch; `-`
    before it turns the order round, and of equal ones the lower number comes first.
    `after` is the `next` of the page before: by number the last trial's number, so that every page costs the same, else
    how many trials came before. `skip` leaves out so many trials in any order. Of trials with very many runs the page
    has fewer than `limit`. Raises NotFoundError, and InvalidError for an unknown column.
    """
    sweep_row.get(session, sweep_id)
    query = select(Trial).where(Trial.sweep_id == sweep_id)
    if state is not None:
        query = query.where(Trial.state == state)
    by_number = order_by.removeprefix("-") == "number"
    if after is not None and by_number:
        query = query.where(Trial.number < after if order_by.startswith("-") else Trial.number > after)
    elif after is not None:
        skip += after
    trials = session.scalars(query.order_by(*_order(order_by)).offset(skip).limit(limit + 1)).all()
    count = _count_with_few_runs(session, trials[:limit])
    next_cursor = None
    if len(trials) > count:
        next_cursor = str(trials[count - 1].number if by_number else skip + count)
    return schemas.Page(items=_trials_out(session, trials[:count]), next=next_cursor)


def list_configurations(
    session: Session, sweep_id: int, *, state: TrialState | None = None, order_by: str = "number", limit: int, skip: int
) -> schemas.Page[schemas.TrialOut]:
    """A page of trials as `list_trials` has it, but those of one configuration stand together and count once.

    A configuration has its first trial's place, or the one of its mean over all its trials, of which as many are listed
    as `members_listed` says. Raises NotFoundError, and InvalidError for an unknown column.
    """
    if not session.scalars(statements.HAS_REPEATS, {"sweep": sweep_id}).one():
        return list_trials(session, sweep_id, state=state, order_by=order_by, limit=limit, skip=skip)
    _order(order_by)
    statement = statements.configurations(order_by, metric_of(order_by))
    members = members_listed(sweep_row.get(session, sweep_id).seeds, limit)
    parameters: dict[str, Any] = {"sweep": sweep_id, "state": state, "limit": limit + 1, "skip": skip}
    parameters["members"] = members
    if name := _named(order_by, _PARAMETER):
        parameters["parameter"] = name
    rows = session.execute(statement, parameters).all()
    ids = [row.id for row in rows if row.place <= limit]
    trials = {trial.id: trial for trial in session.scalars(select(Trial).where(Trial.id.in_(ids)))}
    next_cursor = str(skip + limit) if len(ids) < len(rows) else None
    return schemas.Page(items=_trials_out(session, [trials[trial_id] for trial_id in ids]), next=next_cursor)


def members_listed(seeds: int, limit: int) -> int:
    """How many trials of so many runs a page of so many configurations lists of each: the first ones."""
    return max(LEAST_MEMBERS, MAX_RUNS // (limit * seeds))


def trials_of_numbers(session: Session, sweep_id: int, numbers: Sequence[int]) -> list[schemas.TrialOut]:
    """The sweep's trials of these numbers, in this order."""
    rows = session.scalars(select(Trial).where(Trial.sweep_id == sweep_id, Trial.number.in_(numbers)))
    by_number = {trial.number: trial for trial in rows}
    return _trials_out(session, [by_number[number] for number in numbers if number in by_number])


def get_trial(session: Session, sweep_id: int, number: int) -> schemas.TrialOut:
    """One trial with its runs. Raises NotFoundError."""
    return _trials_out(session, [sweep_row.get_trial(session, sweep_id, number)])[0]


def list_epochs(
    session: Session, sweep_id: int, number: int, limit: int = 10_000, after: int = 0
) -> schemas.Page[schemas.EpochOut]:
    """The learning curves of a trial, run by run, `after` the first so many points. Raises NotFoundError."""
    trial = sweep_row.get_trial(session, sweep_id, number)
    query = select(Epoch).where(Epoch.trial_id == trial.id).order_by(Epoch.seed, Epoch.epoch)
    points, next_cursor = _page_of(session, query, limit, after)
    return schemas.Page(items=[schemas.EpochOut.model_validate(point) for point in points], next=next_cursor)


def list_diagnostics(
    session: Session, sweep_id: int, number: int, limit: int = 1_000, after: int = 0
) -> schemas.Page[schemas.DiagnosticsOut]:
    """The diagnostics of a trial, run by run, `after` the first so many; of those with very many numbers fewer than
    `limit`. Raises NotFoundError."""
    trial = sweep_row.get_trial(session, sweep_id, number)
    query = select(Diagnostics).where(Diagnostics.trial_id == trial.id).order_by(Diagnostics.seed, Diagnostics.epoch)
    sizes = session.scalars(query.with_only_columns(_NUMBERS).offset(after).limit(limit))
    rows, next_cursor = _page_of(session, query, min(limit, count_within(sizes, MAX_NUMBERS)), after)
    return schemas.Page(items=[schemas.DiagnosticsOut.model_validate(row) for row in rows], next=next_cursor)


def last_diagnostics(session: Session, sweep_id: int, number: int) -> list[schemas.DiagnosticsOut]:
    """What was measured of a trial after the last epoch of each run. Raises NotFoundError."""
    trial = sweep_row.get_trial(session, sweep_id, number)
    query = select(Diagnostics).where(Diagnostics.trial_id == trial.id).ext(distinct_on(Diagnostics.seed))
    rows = session.scalars(query.order_by(Diagnostics.seed, Diagnostics.epoch.desc()))
    return [schemas.DiagnosticsOut.model_validate(row) for row in rows]


_NUMBERS = sum(
    (func.cardinality(column) for column in (Diagnostics.activation_rms, Diagnostics.gradient_rms)),
    func.cardinality(Diagnostics.dead_share) + func.coalesce(func.cardinality(Diagnostics.bottleneck), 0),
)


def _count_with_few_runs(session: Session, trials: Sequence[Trial]) -> int:
    """How many of the first of these trials have no more than MAX_RUNS together."""
    if len(trials) * MAX_SEEDS <= MAX_RUNS:
        return len(trials)
    counted = select(Run.trial_id, func.count().label("runs")).where(Run.trial_id.in_([trial.id for trial in trials]))
    counts = {row.trial_id: row.runs for row in session.execute(counted.group_by(Run.trial_id))}
    return count_within((counts.get(trial.id, 0) for trial in trials), MAX_RUNS)


def _page_of(session: Session, query: Select[Point], limit: int, after: int) -> tuple[Sequence[Point], str | None]:
    """`limit` rows behind the first `after`, and the cursor of the next page where there is one."""
    rows = session.scalars(query.offset(after).limit(limit + 1)).all()
    return rows[:limit], str(after + limit) if len(rows) > limit else None


_SORTABLE = {
    "number": Trial.number,
    "value": Trial.value,
    "state": Trial.state,
    "started_at": Trial.started_at,
    "finished_at": Trial.finished_at,
    "seconds": select(func.sum(Run.seconds)).where(Run.trial_id == Trial.id).scalar_subquery(),
}
_PARAMETER, _METRIC = "params.", "metrics."


def _order(order_by: str) -> list[Any]:
    column = _column(order_by.removeprefix("-"))
    ordered = column.desc() if order_by.startswith("-") else column.asc()
    return [ordered.nulls_last(), Trial.number]


def _column(name: str) -> SQLColumnExpression[Any]:
    """What trials are ordered by. Raises InvalidError."""
    if (parameter := _named(name, _PARAMETER)) in EVERY_HYPERPARAMETER:
        return cast(Trial.params, JSONB)[parameter]
    if metric := metric_of(name):
        return literal_column(statements.last_metric(metric, Trial.__tablename__))
    if name not in _SORTABLE:
        right = (
            f"must be one of {', '.join(_SORTABLE)}, a hyperparameter like {_PARAMETER}learning_rate, or a metric like "
            f"{_METRIC}{next(iter(schemas.Metrics.model_fields))} ({', '.join(schemas.Metrics.model_fields)}); "
            "a - before it turns the order round"
        )
        raise InvalidError(f"Trials can't be ordered by {name!r}.", [FieldError(("query", "order_by"), right)])
    return _SORTABLE[name]


def metric_of(order_by: str) -> str:
    """The metric by which trials are ordered, or nothing."""
    name = _named(order_by, _METRIC)
    return name if name in schemas.Metrics.model_fields else ""


def _named(order_by: str, kind: str) -> str:
    """What stands behind `params.` or `metrics.`, or nothing."""
    name = order_by.removeprefix("-")
    return name.removeprefix(kind) if name.startswith(kind) else ""


def _trials_out(session: Session, trials: Sequence[Trial]) -> list[schemas.TrialOut]:
    """The trials with their runs and the metrics of their last epochs, in two statements for all."""
    ids = [trial.id for trial in trials]
    runs: dict[int, list[Run]] = {}
    for run in session.scalars(select(Run).where(Run.trial_id.in_(ids)).order_by(Run.trial_id, Run.seed)):
        runs.setdefault(run.trial_id, []).append(run)
    metrics = {row.trial_id: row for row in session.execute(statements.LAST_METRICS, {"ids": ids})}
    return [_trial_out(trial, runs.get(trial.id, []), metrics.get(trial.id)) for trial in trials]


def _trial_out(trial: Trial, runs: Sequence[Run], metrics: Row[Any] | None) -> schemas.TrialOut:
    metric_names = schemas.Metrics.model_fields
    return schemas.TrialOut(
        number=trial.number,
        state=trial.state,
        params=trial.params,
        value=trial.value,
        std=trial.std,
        values=None if trial.value is None else [trial.value, *(trial.other_values or [])],
        runs=[schemas.RunOut.model_validate(run) for run in runs],
        metrics=schemas.Metrics(**({name: getattr(metrics, name) for name in metric_names} if metrics else {})),
        attempt=trial.attempt,
        history=[schemas.AttemptOut.model_validate(attempt) for attempt in trial.history],
        seconds=sum(run.seconds for run in runs) if runs else None,
        rung=trial.rung,
        rung_means=trial.rung_means,
        circumstances=schemas.Circumstances.model_validate(trial.circumstances) if trial.circumstances else None,
        worker=trial.worker_id,
        devices=trial.devices,
        least_memory=trial.least_memory,
        error=trial.error,
        reason=trial.reason,
        configuration=trial.configuration,
        first_seed=trial.first_seed,
        is_survivor=trial.is_survivor,
        enqueued=trial.enqueued,
        epochs_trained=trial.epochs_trained,
        continued_from=trial.continued_from,
        warm_started_from=trial.warm_started_from,
        excluded=trial.excluded,
        note=trial.note,
    )

"""A sweep as a study in one of Optuna's own storages, which optuna-dashboard opens."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from app.db.engine import normalised_url
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.errors import ConflictError, InvalidError, in_short
from app.files.exports import SweepRecord, open_sweep
from app.files.exports.fields import EPOCH, to_json
from app.files.exports.records import TrialRecord
from app.search.optuna_space import distributions, encoded

RECORD_ATTRIBUTE = "perceptune"  # the system attribute that holds what Optuna has no place for
_STATES = {
    "waiting": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
}


def export(engine: Engine, sweep_id: int, url: str) -> str:
    """Writes the sweep with all its trials as a new study; returns the study's name.

    Raises NotFoundError, ConflictError where the storage has a study of this name, InvalidError for a storage that
    can't be used.
    """
    storage = InMemoryStorage()
    with open_sweep(engine, sweep_id, epochs=True) as record:
        name = f"sweep {sweep_id}: {record.name}"
        _study(record, name, storage)
    try:
        optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=storage_url(url))
    except DuplicatedStudyError:
        raise ConflictError(f"The storage has a study {name!r} already: delete it there, or use another one.") from None
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise InvalidError(f"The storage can't be used: {in_short(error)}") from None
    return name


def storage_url(url: str) -> str:
    """The address as Optuna takes it; Postgres with the driver that is here. Raises InvalidError where it is none."""
    try:
        kind = make_url(url).get_backend_name()
    except ArgumentError:
        raise InvalidError(f"{url!r} is no address of a storage: write e.g. sqlite:///sweep.db") from None
    return normalised_url(url) if kind in {"postgres", "postgresql"} else url


def _study(record: SweepRecord, name: str, storage: InMemoryStorage) -> None:
    sweep = record.header["sweep"]
    objectives = [Objective.of(sweep), *map(Objective.of, sweep["objectives"])]
    study = optuna.create_study(
        study_name=name, storage=storage, directions=[objective.direction for objective in objectives]
    )
    study.set_metric_names([objective.metric for objective in objectives])
    for key in ("dataset", "split", "space", "sampler", "seeds", "notes", "tags"):
        study.set_user_attr(key, sweep[key])
    storage.set_study_system_attr(study._study_id, RECORD_ATTRIBUTE, record.header)
    searched = distributions(parse_space(sweep["space"], sweep["task"]))
    study.add_trials([_trial(trial, searched, objectives) for trial in record.trials])


def _trial(
    trial: TrialRecord, searched: Mapping[str, BaseDistribution], objectives: Sequence[Objective]
) -> FrozenTrial:
    """The trial as Optuna stores it; `searched`: the distributions of the hyperparameters that are not constant."""
    facts = trial.facts
    state = _STATES.get(facts["state"], TrialState.FAIL)
    values = [facts["value"], *(facts["other_values"] or [])][: len(objectives)]
    if state == TrialState.COMPLETE and len(values) != len(objectives):
        state = TrialState.FAIL  # of a time before the sweep had its further objectives
    params = {name: encoded(value) for name, value in (facts["params"] or {}).items()}
    suggested = {name: value for name, value in params.items() if name in searched and _holds(searched[name], value)}
    outside = {name: value for name, value in params.items() if name in searched and name not in suggested}
    frozen = create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params=suggested,
        distributions={name: searched[name] for name in suggested},
        intermediate_values=_means(trial, objectives[0].metric),
        user_attrs=_user_attributes(facts) | outside,
        system_attrs={RECORD_ATTRIBUTE: _record(trial)},
    )
    _set_times(frozen, _local_time(facts["started_at"]), _local_time(facts["finished_at"]))
    return frozen


def _set_times(frozen: FrozenTrial, started_at: datetime | None, finished_at: datetime | None) -> None:
    if frozen.state != TrialState.WAITING:
        frozen.datetime_start = started_at or finished_at or frozen.datetime_start
    if frozen.state.is_finished():
        frozen.datetime_complete = finished_at


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value is one of the space's; a user's own trial need not be."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False


def _means(trial: TrialRecord, metric: str) -> dict[int, float]:
    """The metric's mean over the runs at each epoch that all of them have."""
    if metric not in EPOCH:
        return {}
    names = list(EPOCH)
    epoch, column = names.index("epoch"), names.index(metric)
    values: dict[int, list[Any]] = {}
    for point in trial.epochs or ():
        values.setdefault(point[epoch], []).append(point[column])
    runs = max(map(len, values.values()), default=0)
    complete = {at: numbers for at, numbers in values.items() if len(numbers) == runs and None not in numbers}
    means = {at: math.fsum(numbers) / runs for at, numbers in sorted(complete.items())}
    return {at: mean for at, mean in means.items() if math.isfinite(mean)}


def _user_attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The user attributes, which optuna-dashboard shows beside the value."""
    attributes = {
        name: facts[name] for name in ("number", "state", "std", "error", "reason", "excluded", "note", "devices")
    }
    # not `in (None, False, "")`, in which 0 would be, the number of the first trial
    return {
        name: value for name, value in attributes.items() if not (value is None or value is False or value in ("", []))
    }


def _record(trial: TrialRecord) -> dict[str, Any]:
    """The whole trial with its runs and curves, as JSON can hold it."""
    columns = zip(*trial.epochs, strict=True) if trial.epochs else [()] * len(EPOCH)
    epochs = {name: to_json(list(column)) for name, column in zip(EPOCH, columns, strict=True)}
    return {**trial.facts, "runs": trial.runs, "epochs": epochs}


def _local_time(time: str | None) -> datetime | None:
    """The time as Optuna stores it: this machine's, without a zone."""
    return datetime.fromisoformat(time).astimezone().replace(tzinfo=None) if time else None

"""The import of an Optuna study: its distributions become the space, its reported values the epochs."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.tables import Sweep
from app.db.trial_rows import trial_size
from app.domain.datasets import DatasetInfo
from app.domain.hyperparameters import HYPERPARAMETERS, Kind, Number
from app.domain.objectives import Objective
from app.errors import InvalidError, NotFoundError, in_short
from app.files import imports
from app.files.exports.fields import EPOCH
from app.files.exports.records import FORMAT, VERSION
from app.files.import_checks import check_values
from app.files.optuna_export import RECORD_ATTRIBUTE, storage_url

MAX_REASON = 200  # characters
_DAMAGE = (SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading a study raises that another program wrote, or somebody changed."""
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def restore(session: Session, url: str, name: str | None = None, *, dataset: str = "fashion_mnist") -> Sweep:
    """Stores the study as a new sweep; the only one where no name is given. What Perceptune wrote comes back whole.

    Raises NotFoundError, and InvalidError for a study that can't be a sweep.
    """
    study = _study(url, name)
    try:
        document = _document(session, study, dataset)
    except _DAMAGE as error:
        raise InvalidError(f"The study can't be read: {in_short(error)[:MAX_REASON]}") from None
    return imports.restore(session, document)


def _document(session: Session, study: optuna.Study, dataset: str) -> dict[str, Any]:
    """The study as the document of an export."""
    trials = study.get_trials(deepcopy=False)
    record = study._storage.get_study_system_attrs(study._study_id).get(RECORD_ATTRIBUTE)
    header = record if isinstance(record, dict) else _header(study, trials, datasets.get_named(session, dataset))
    dataset = header["sweep"]["dataset"]
    datasets.get_named(session, dataset)
    foreign = Sweep(task="train_mlp", dataset=dataset, stored_dataset=datasets.stored(session, dataset), seeds=1)
    constants = _constants(trials) if record is None else {}
    documents = [
        trial.system_attrs.get(RECORD_ATTRIBUTE) or _trial(trial, header["sweep"], foreign, constants)
        for trial in trials
    ]
    return {**header, "counts": _counts(documents), "trials": documents}


def _study(url: str, name: str | None) -> optuna.Study:
    address = storage_url(url)
    parsed = make_url(address)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise NotFoundError(f"There is no file {parsed.database}.")
    try:
        storage = RDBStorage(address)
        names = optuna.get_all_study_names(storage)
        if name is None and len(names) == 1:
            name = names[0]
        if name not in names:
            problem = "Say which study" if name is None else f"There is no study {name!r}"
            raise NotFoundError(f"{problem}: the storage has {', '.join(map(repr, names)) or 'none'}.")
        return optuna.load_study(study_name=name, storage=storage)
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError) as error:
        raise InvalidError(f"The storage can't be used: {in_short(error)}") from None


def _header(study: optuna.Study, trials: Sequence[FrozenTrial], dataset: DatasetInfo) -> dict[str, Any]:
    if len(study.directions) != 1:
        raise InvalidError("The study has several objectives: only one that Perceptune exported can be imported then.")
    maximize = study.direction == optuna.study.StudyDirection.MAXIMIZE
    share = "val_accuracy" if dataset.target == "class" else "val_r2"
    objective = Objective(share if maximize else "val_loss", maximize)
    sweep = {
        "name": study.study_name[:200],
        "state": "paused",
        "task": "train_mlp",
        "dataset": dataset.name,
        "split": "holdout",
        "space": _space(trials) | _constants(trials),
        "sampler": {"name": "tpe"},
        "seeds": 1,
        "seed": 0,
        "metric": objective.metric,
        "direction": objective.direction,
    }
    return {"format": FORMAT, "version": VERSION, "sweep": sweep}


def _space(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The hyperparameters with all values that the trials' distributions hold."""
    widest: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            widest[name] = _wider(widest[name], distribution) if name in widest else distribution
    unknown = [name for name in widest if name not in HYPERPARAMETERS]
    if unknown:
        ours = ", ".join(HYPERPARAMETERS)
        raise InvalidError(f"Perceptune has no hyperparameters {', '.join(unknown)}; it has {ours}.")
    if not widest:
        raise InvalidError("The study has no trial with parameters.")
    return {name: _domain(distribution, HYPERPARAMETERS[name].kind) for name, distribution in widest.items()}


def _wider(first: BaseDistribution, second: BaseDistribution) -> BaseDistribution:
    """Both ranges in one; Optuna itself sees to it that they are of one kind."""
    if isinstance(first, FloatDistribution) and isinstance(second, FloatDistribution):
        return FloatDistribution(min(first.low, second.low), max(first.high, second.high), first.log, first.step)
    if isinstance(first, IntDistribution) and isinstance(second, IntDistribution):
        return IntDistribution(min(first.low, second.low), max(first.high, second.high), first.log, first.step)
    return first


def _domain(distribution: BaseDistribution, kind: Kind) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return [_decoded(choice) for choice in distribution.choices]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.single():
        return distribution.low
    domain: dict[str, Any] = {"low": distribution.low, "high": distribution.high}
    is_whole_anyway = isinstance(kind, Number) and kind.whole and distribution.step == 1
    step = {} if distribution.step is None or is_whole_anyway else {"step": distribution.step}
    return domain | step | ({"log": True} if distribution.log else {})


def _decoded(choice: Any) -> Any:
    """A hyperparameter's value of Optuna's choice, where lists of widths stand as JSON: choices are scalars."""
    if not isinstance(choice, str) or not choice.startswith("["):
        return choice
    try:
        return json.loads(choice)
    except (ValueError, RecursionError):
        return choice  # a text, which no hyperparameter has


def _constants(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The number of epochs, where values were reported at whole numbers of them and no hyperparameter says it."""
    if any("epochs" in trial.params for trial in trials):
        return {}
    steps = max((max(_curve(trial), default=0) for trial in trials), default=0)
    return {"epochs": steps} if steps else {}


def _curve(trial: FrozenTrial) -> dict[int, float]:
    """The reported values by epoch, from 1; a study that counts from 0 is moved."""
    first = 1 if 0 in trial.intermediate_values else 0
    return {step + first: value for step, value in sorted(trial.intermediate_values.items())}


def _trial(trial: FrozenTrial, sweep: Mapping[str, Any], owner: Sweep, constants: dict[str, Any]) -> dict[str, Any]:
    state = _STATES.get(trial.state, "waiting")
    params = {name: _decoded(value) for name, value in trial.params.items()} | constants if trial.params else None
    if params:
        check_values(params, ("trials", trial.number))
    size = trial_size(owner, params) if params else {}
    curve = _curve(trial) if state != "waiting" else {}
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    run = {"seed": 0, "state": "complete", "value": trial.value, "seconds": seconds}
    return {
        "number": trial.number,
        "state": state,
        "params": params,
        **size,
        "value": _last_value(trial) if state == "pruned" else run["value"] if state == "complete" else None,
        "error": "failed in Optuna" if state == "failed" else None,
        "epochs_done": len(curve),
        "started_at": _utc(trial.datetime_start) if state != "waiting" else None,
        "finished_at": _utc(trial.datetime_complete) if state != "waiting" else None,
        "runs": [run] if state == "complete" else [],
        "epochs": {name: _column(name, sweep["metric"], curve) for name in EPOCH},
    }


def _last_value(trial: FrozenTrial) -> float | None:
    """A pruned trial's last reported value, where that is finite."""
    return trial.value if trial.value is not None and math.isfinite(trial.value) else None


def _column(name: str, metric: str, curve: Mapping[int, float]) -> list[Any]:
    if name == metric:
        return [value if math.isfinite(value) else None for value in curve.values()]
    constants: dict[str, list[Any]] = {"seed": [0] * len(curve), "epoch": list(curve), "seconds": [0.0] * len(curve)}
    return constants.get(name, [None] * len(curve))


def _counts(trials: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "trials": len(trials),
        "runs": sum(len(trial["runs"]) for trial in trials),
        "epochs": sum(len(trial["epochs"]["epoch"]) for trial in trials),
    }


def _utc(time: datetime | None) -> str | None:
    """The time in UTC, of this machine's time without a zone, as Optuna stores it."""
    return time.astimezone(UTC).isoformat() if time else None

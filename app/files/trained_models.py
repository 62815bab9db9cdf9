"""Trained models to download; those whose weights were not kept are trained again on request."""

from collections.abc import Generator, Sequence
from importlib.metadata import version
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.tables import Run, Sweep, Trial
from app.domain.configuration import with_defaults
from app.domain.people.log_events import LogEvent
from app.domain.states import TrialState
from app.errors import ConflictError, NotFoundError
from app.files import model_file
from app.files.model_file import ModelFileError, ModelInfo
from app.lifecycle import sweep_log, sweep_row
from app.queue import retraining

PIECE_BYTES = 2**20


class StoredModel(NamedTuple):
    """The model of a run, which is stored, and what it is; its weights may be hundreds of megabytes."""

    trial_id: int
    seed: int  # index of the run's seed
    info: ModelInfo

    @property
    def file_name(self) -> str:
        """The name under which it is saved."""
        return f"sweep-{self.info.sweep}-trial-{self.info.trial}-run-{self.seed}.safetensors"

    def pieces(self, session: Session) -> Generator[bytes]:
        """The file. Raises ConflictError where the weights are not kept any more, or are none."""
        begin = self._piece(session, 0, 8 + model_file.MAX_WEIGHTS_HEADER)
        try:
            header, numbers = model_file.split_file(begin, model_file.MAX_WEIGHTS_HEADER)
        except ModelFileError as error:
            raise ConflictError(f"The model of trial {self.info.trial} can't be read: {error}.") from None
        yield model_file.head_with_info(header, self.info)
        yield bytes(numbers)
        start = len(begin)
        while piece := self._piece(session, start, PIECE_BYTES):
            yield piece
            start += len(piece)

    def _piece(self, session: Session, start: int, size: int) -> bytes:
        """So many bytes of the weights; none behind their end."""
        piece = select(func.substring(Run.weights, start + 1, size))
        weights: bytes | None = session.scalar(piece.where(Run.trial_id == self.trial_id, Run.seed == self.seed))
        if weights is None:
            raise ConflictError("The model was removed a moment ago: another trial is the best by now.")
        return weights


def find(session: Session, sweep_id: int, number: int, run: int | None = None) -> StoredModel:
    """The model of one of a trial's runs, by the index of its seed; of its best run where none is named.

    Raises NotFoundError, and ConflictError where there is no model, or none at the moment.
    """
    sweep, trial, runs = _complete(session, sweep_id, number)
    chosen_run = _run(sweep, trial, runs, run)
    weights = select(Run.seed).where(Run.trial_id == trial.id, Run.seed == chosen_run.seed, Run.weights.is_not(None))
    if session.scalar(weights) is not None:
        return StoredModel(trial.id, chosen_run.seed, _info(session, sweep, trial, chosen_run))
    if trial.retrain_at is not None:
        raise ConflictError(f"{_name(trial)} is being trained again for its model; ask again in a while.")
    if (failure := retraining.failure(session, trial)) is not None:
        raise ConflictError(f"{failure.removesuffix('.')}. POST to this address, and it is tried again.")
    raise ConflictError(
        f"The model of {_name(trial, 'trial')} was not kept; POST to this address, and it is trained again."
    )


def keep_model(session: Session, sweep_id: int, number: int) -> bool:
    """Keeps the model of a trial from now on. False where the trial has to be trained again for it, else True.

    Raises NotFoundError, and ConflictError for a trial that has no model.
    """
    sweep_row.get(session, sweep_id, lock=True)
    _, trial, _ = _complete(session, sweep_id, number)
    if not trial.model_wanted:
        sweep_log.note(session, sweep_id, LogEvent.model, f"Asked for the model of trial {number}", [number])
    trial.model_wanted = True
    missing = session.scalar(select(func.count()).where(Run.trial_id == trial.id, Run.weights.is_(None)))
    if missing:
        retraining.request(session, trial)
    return not missing


def _complete(session: Session, sweep_id: int, number: int) -> tuple[Sweep, Trial, Sequence[Run]]:
    """A complete trial with its sweep and its runs. Raises NotFoundError and ConflictError."""
    sweep = sweep_row.get(session, sweep_id)
    trial = sweep_row.get_trial(session, sweep_id, number)
    if sweep.task != "train_mlp":
        raise ConflictError(f"Sweep {sweep_id} measures speed: its trials have no models.")
    if trial.state != TrialState.complete:
        raise ConflictError(f"{_name(trial)} is {trial.state}: only a complete trial has a model.")
    runs = session.scalars(select(Run).where(Run.trial_id == trial.id).order_by(Run.seed)).all()
    if not runs:
        raise ConflictError(f"{_name(trial)} was not trained here: it has no model.")
    return sweep, trial, runs


def _run(sweep: Sweep, trial: Trial, runs: Sequence[Run], seed: int | None) -> Run:
    """The run of this seed index, the best one where none is named. Raises NotFoundError."""
    if seed is None:
        return min(runs, key=lambda run: sweep.first_objective.rank(run.value or 0, run.seed))
    run = next((run for run in runs if run.seed == seed), None)
    if run is None:
        seeds = ", ".join(str(run.seed) for run in runs)
        raise NotFoundError(f"{_name(trial)} has no run {seed}; there are {seeds}.")
    return run


def _info(session: Session, sweep: Sweep, trial: Trial, run: Run) -> ModelInfo:
    facts, params = sweep.dataset_info, trial.params or {}
    full = with_defaults(params)
    # where neither was tried, the layers say it all
    unused = {"hidden_units", "depth"} - set(params)
    assert run.value is not None
    return ModelInfo(
        perceptune_version=version("perceptune"),
        dataset=sweep.dataset,
        split=sweep.split,
        features=facts.features,
        classes=list(facts.labels),
        hidden_layers=full["hidden_layers"],
        activation=str(full["activation"]),
        params={name: value for name, value in full.items() if name not in unused},
        sweep=sweep.id,
        sweep_name=sweep.name,
        trial=trial.number,
        run=run.seed,
        sweep_seed=sweep.seed,
        metric=sweep.metric,
        value=run.value,
        recorded_value=run.value,
        encoding=None if sweep.dataset_id is None else datasets.encoding(session, sweep.dataset_id),
        quantity=facts.quantity,
        unit=facts.unit,
    )


def _name(trial: Trial, word: str = "Trial") -> str:
    return f"{word} {trial.number} of sweep {trial.sweep_id}"

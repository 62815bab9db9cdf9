"""Progress of trials: a worker records the epochs of their runs, and how they ended."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Diagnostics, Sweep
from app.domain.diagnostics import NetworkDiagnostics
from app.domain.states import RunState, TrialState
from app.domain.sweep_limits import MAX_FLOAT
from app.domain.tasks import TASKS
from app.lifecycle import checkpoint_retention, stop_rules, sweep_row
from app.lifecycle.weight_retention import store_weights, trials_to_keep
from app.queue import statements
from app.queue.errors import storable
from app.queue.leases import Lease, lease_arrays
from app.queue.legs import TrialCheckpoint, store_checkpoint

# What a server takes of these from workers over HTTP.
Measured = Annotated[float, Field(ge=-MAX_FLOAT, le=MAX_FLOAT, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Amount = Annotated[float, Field(ge=0, le=MAX_FLOAT, allow_inf_nan=False)]
Reason = Annotated[str, AfterValidator(storable)]


@dataclass(frozen=True)
class EpochPoint:
    """One point of a run's learning curve; None where a figure was not finite, or is of the other kind of target."""

    trial_id: int
    seed: Count  # index of the run's seed
    epoch: Count
    train_loss: Measured | None
    train_accuracy: Measured | None
    val_loss: Measured | None
    val_accuracy: Measured | None
    seconds: Amount
    train_r2: Measured | None = None
    train_mae: Measured | None = None
    val_r2: Measured | None = None
    val_mae: Measured | None = None


@dataclass(frozen=True)
class DiagnosticsPoint:
    """What a run's network did with the fixed sample after an epoch."""

    trial_id: int
    seed: Count  # index of the run's seed
    epoch: Count  # 0: before the first step
    measured: NetworkDiagnostics

    def row(self) -> dict[str, Any]:
        """Its row, with None for figures that are not finite."""
        place = {"trial_id": self.trial_id, "seed": self.seed, "epoch": self.epoch}
        return place | {name: _finite(value) for name, value in vars(self.measured).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class RunResult:
    """How one run ended: with a value, or with an error."""

    seed: Count  # index of the run's seed
    value: Measured | None
    error: Reason | None
    seconds: Amount


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended: with a value, or with an error."""

    lease: Lease
    value: Measured | None  # mean over its runs; of a pruned trial that of its last epoch
    std: Amount | None
    error: Reason | None
    runs: Sequence[RunResult]
    pruning_reason: Reason | None = None  # the pruner's words
    other_values: Sequence[Measured] | None = None  # of the sweep's further objectives
    circumstances: Mapping[str, Any] | None = None  # of a timing

    @property
    def state(self) -> TrialState:
        """The state in which the trial ended."""
        if self.value is None:
            return TrialState.failed
        return TrialState.complete if self.pruning_reason is None else TrialState.pruned


def record(
    session: Session,
    sweep_id: int,
    epochs_done: Mapping[Lease, int],
    points: Sequence[EpochPoint],
    lease_seconds: float,
    diagnostics: Sequence[DiagnosticsPoint] = (),
) -> set[int]:
    """Writes points of learning curves and extends the leases; returns the ids of the trials that are still held.

    `epochs_done` says for each held trial how many epochs of its runs are recorded by now. Diagnostics are written
    with the curves, of the trials that are held.
    """
    parameters = {"sweep": sweep_id, "lease": lease_seconds, "epochs_done": list(epochs_done.values())}
    columns = {name: [getattr(point, name) for point in points] for name in EpochPoint.__dataclass_fields__}
    rows = session.execute(statements.RECORD, lease_arrays(list(epochs_done)) | parameters | columns).all()
    held_ids = {row.id for row in rows}
    diagnostics_rows = [point.row() for point in diagnostics if point.trial_id in held_ids]
    if diagnostics_rows:  # the rows of their trials are locked by what was written before
        session.execute(insert(Diagnostics).on_conflict_do_nothing(), diagnostics_rows)
    return held_ids


def finish(
    session: Session,
    sweep_id: int,
    worker_id: UUID,
    results: Sequence[TrialResult],
    weights: Callable[[int], Mapping[int, bytes]],
    final_checkpoint: Callable[[int], TrialCheckpoint | None] | None = None,
) -> set[int]:
    """Writes how trials ended, under their leases; returns the ids of those that were accepted.

    `weights` gives the parameters of a trial's runs by seed. They are stored of a trial that is the best of its sweep
    at this moment, so the best of all has them, and of those that the sweep or somebody asked for. `final_checkpoint`
    gives what a trial can be trained longer from, None where that is nothing; it is stored of the best ones. Both
    are called while the sweep is locked, so others of its workers wait for them.
    """
    sweep = sweep_row.lock(session, sweep_id)
    if sweep is None:
        return set()
    arrays: dict[str, Any] = lease_arrays([result.lease for result in results]) | {
        "states": [result.state for result in results],
        "values": [result.value for result in results],
        "stds": [result.std for result in results],
        "errors": [result.error for result in results],
        "reasons": [result.pruning_reason for result in results],
        "other_values": [_postgres_array(result.other_values) for result in results],
        "circumstances": [result.circumstances and json.dumps(result.circumstances) for result in results],
    }
    arrays |= {"sweep": sweep_id, "worker": worker_id} | _run_arrays(results)
    model_wanted = {row.id: row.model_wanted for row in session.execute(statements.FINISH, arrays)}
    accepted_ids = {*model_wanted}
    if not accepted_ids:
        return accepted_ids
    complete_ids = {result.lease.trial_id for result in results if result.state == TrialState.complete} & accepted_ids
    wanted_ids = [trial_id for trial_id, is_wanted in model_wanted.items() if is_wanted]
    for trial_id in trials_to_keep(session, sweep, complete_ids, wanted_ids):
        store_weights(session, trial_id, weights(trial_id))
    if final_checkpoint is not None:
        _keep_checkpoints(session, sweep, accepted_ids, final_checkpoint)
    stop_rules.apply(session, sweep)
    has_ended = bool(sweep_row.close_if_done(session, [sweep_id]))
    sweep_row.mark_changed(session, sweep_id, has_work=has_ended or _leaves_work(sweep))
    return accepted_ids


def _leaves_work(sweep: Sweep) -> bool:
    """Whether the end of a trial may let others of the sweep begin."""
    promotes = sweep.pruner is not None or sweep.survivor_seeds is not None
    return promotes or sweep.repeats == "reuse" or TASKS[sweep.task].is_timing


def _keep_checkpoints(
    session: Session, sweep: Sweep, ended_ids: Collection[int], checkpoint: Callable[[int], TrialCheckpoint | None]
) -> None:
    """Stores the final checkpoints of those of these trials that are among the best, in place of worse ones."""
    best_ids = checkpoint_retention.best_trial_ids(session, sweep)
    for trial_id in best_ids & {*ended_ids}:
        if (stored_checkpoint := checkpoint(trial_id)) is not None:
            store_checkpoint(session, stored_checkpoint, is_final=True)
            checkpoint_retention.drop_superseded(session, sweep)


def _run_arrays(results: Sequence[TrialResult]) -> dict[str, list[Any]]:
    """The runs of these results, as the parameters of the statement that stores them."""
    runs = [(result, run) for result in results for run in result.runs]
    return {
        "run_trials": [result.lease.trial_id for result, _ in runs],
        "run_seeds": [run.seed for _, run in runs],
        "run_states": [_run_state(result, run) for result, run in runs],
        "run_values": [run.value for _, run in runs],
        "run_errors": [run.error for _, run in runs],
        "run_seconds": [run.seconds for _, run in runs],
    }


def _run_state(result: TrialResult, run: RunResult) -> RunState:
    if run.value is None:
        return RunState.diverged
    return RunState.complete if result.pruning_reason is None else RunState.pruned


def _postgres_array(values: Sequence[float] | None) -> str | None:
    """The values as Postgres writes an array: `unnest` would take an array of arrays apart to its numbers."""
    return None if values is None else "{" + ",".join(map(repr, values)) + "}"

"""Progress of trials: a worker records the epochs of their runs, and how they ended."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Diagnostics, Sweep
from app.domain.diagnostics import NetworkDiagnostics
from app.domain.states import RunState, TrialState
from app.domain.sweep_limits import MAX_FLOAT
from app.domain.tasks import TASKS
from app.lifecycle import best, checkpoint_retention, stop_rules, sweep_row
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

Content = TypeVar("Content")

MAX_READY_BYTES = 64 * 2**20  # of weights that are made before a sweep is locked: all of them are held until then


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
    with the curves, of the trials that are held. A lease of which a tenth at most has passed stays as it is.
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
    gives what a trial can be trained longer from, None where that is nothing; it is stored of the best ones. What is
    likely to be stored is made before the sweep is locked, and dropped where others have come first meanwhile.
    """
    ready_weights = _Ready(weights)
    ready_checkpoints = None if final_checkpoint is None else _Ready(final_checkpoint)
    may_lead = _make_ready(session, sweep_id, results, ready_weights, ready_checkpoints)
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
    sweep = sweep_row.lock(session, sweep_id)
    if sweep is None:
        return set()
    model_wanted = {row.id: row.model_wanted for row in session.execute(statements.FINISH, arrays)}
    accepted_ids = {*model_wanted}
    if not accepted_ids:
        return accepted_ids
    complete_ids = {result.lease.trial_id for result in results if result.state == TrialState.complete} & accepted_ids
    wanted_ids = [trial_id for trial_id, is_wanted in model_wanted.items() if is_wanted]
    top_ids = best.top_ids(session, sweep_id, checkpoint_retention.KEPT_TRIALS) if may_lead else []
    for trial_id in trials_to_keep(sweep, complete_ids, wanted_ids, top_ids[:1]):
        store_weights(session, trial_id, ready_weights.take(trial_id))
    if ready_checkpoints is not None:
        _keep_checkpoints(session, sweep_id, top_ids, accepted_ids, ready_checkpoints)
    stop_rules.apply(session, sweep)
    has_ended = bool(sweep_row.close_if_done(session, [sweep_id], len(complete_ids)))
    sweep_row.mark_changed(session, sweep_id, has_work=has_ended or _leaves_work(sweep))
    return accepted_ids


def _leaves_work(sweep: Sweep) -> bool:
    """Whether the end of a trial may let others of the sweep begin."""
    promotes = sweep.pruner is not None or sweep.survivor_seeds is not None
    return promotes or sweep.repeats == "reuse" or TASKS[sweep.task].is_timing


class _Ready(Generic[Content]):
    """What is made of trials that end, some of it before it is wanted."""

    def __init__(self, make: Callable[[int], Content]) -> None:
        self._make = make
        self._made_contents: dict[int, Content] = {}

    def make(self, trial_id: int) -> Content:
        """Makes it beforehand."""
        self._made_contents[trial_id] = self._make(trial_id)
        return self._made_contents[trial_id]

    def take(self, trial_id: int) -> Content:
        """Gives it, made now where it was not before."""
        return self._made_contents.pop(trial_id) if trial_id in self._made_contents else self._make(trial_id)


def _make_ready(
    session: Session,
    sweep_id: int,
    results: Sequence[TrialResult],
    weights: _Ready[Mapping[int, bytes]],
    checkpoints: _Ready[TrialCheckpoint | None] | None,
) -> bool:
    """Makes what is likely to be stored of these trials, by their values; whether any may be among the best."""
    values = {
        result.lease.trial_id: result.value
        for result in results
        if result.state == TrialState.complete and result.value is not None
    }
    sweep = session.get(Sweep, sweep_id) if values else None
    if sweep is None:
        return False
    ahead = best.count_ahead(session, sweep, values)
    order = sorted(ahead, key=lambda trial_id: sweep.first_objective.rank(values[trial_id], trial_id))
    n_bytes = 0
    for place, trial_id in enumerate(order):
        if (sweep.keep_models == "all" or place + ahead[trial_id] == 0) and n_bytes < MAX_READY_BYTES:
            n_bytes += sum(map(len, weights.make(trial_id).values()))
        if checkpoints is not None and place + ahead[trial_id] < checkpoint_retention.KEPT_TRIALS:
            checkpoints.make(trial_id)
    return min(ahead.values(), default=0) < checkpoint_retention.KEPT_TRIALS


def _keep_checkpoints(
    session: Session,
    sweep_id: int,
    top_ids: Sequence[int],
    ended_ids: Collection[int],
    checkpoints: _Ready[TrialCheckpoint | None],
) -> None:
    """Stores the final checkpoints of those of these trials that are among the best, in place of worse ones."""
    made_checkpoints = [checkpoints.take(trial_id) for trial_id in top_ids if trial_id in ended_ids]
    kept_checkpoints = [checkpoint for checkpoint in made_checkpoints if checkpoint is not None]
    for checkpoint in kept_checkpoints:
        store_checkpoint(session, checkpoint, is_final=True)
    if kept_checkpoints:
        checkpoint_retention.drop_superseded(session, sweep_id, top_ids)


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

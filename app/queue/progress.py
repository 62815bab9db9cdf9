"""What a worker writes of its trials: the epochs of their runs, and how they ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.notifications import notify
from app.db.tables import Run, Worker
from app.domain.states import RunState, TrialState
from app.lifecycle import stop_rules, sweep_row
from app.lifecycle.weight_retention import kept_of
from app.queue import statements
from app.queue.leases import Lease, lease_arrays


@dataclass(frozen=True)
class EpochPoint:
    """One point of a run's learning curve; None where a figure was not finite."""

    trial_id: int
    seed: int
    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """How one run ended: with a value, or with an error."""

    seed: int
    value: float | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended: a value (mean over its runs) or the reason why there is none.

    With `pruned`, the pruner's words, the value is that of its last epoch. `other_values` are those of the sweep's
    further objectives.
    """

    lease: Lease
    value: float | None
    std: float | None
    error: str | None
    runs: Sequence[RunResult]
    pruned: str | None = None
    other_values: Sequence[float] | None = None

    @property
    def state(self) -> TrialState:
        if self.value is None:
            return TrialState.failed
        return TrialState.complete if self.pruned is None else TrialState.pruned


def record(
    session: Session, sweep_id: int, done: Mapping[Lease, int], points: Sequence[EpochPoint], lease_seconds: float
) -> set[int]:
    """Writes points of learning curves and extends the leases; returns the ids of the trials that are still held.

    `done` says for each held trial how many epochs of its runs are recorded by now.
    """
    columns = {name: [getattr(point, name) for point in points] for name in EpochPoint.__dataclass_fields__}
    rows = session.execute(
        statements.RECORD,
        lease_arrays(list(done)) | {"dones": list(done.values()), "sweep": sweep_id, "lease": lease_seconds} | columns,
    ).all()
    if rows and points:
        notify(session, sweep_id)
    return {row.id for row in rows}


def finish(
    session: Session,
    sweep_id: int,
    worker_id: UUID,
    results: Sequence[TrialResult],
    weights: Callable[[int], Mapping[int, bytes]],
) -> set[int]:
    """Writes how trials ended, under their leases; returns the ids of those that were accepted.

    `weights` gives the parameters of a trial's runs by seed. They are kept of a trial that is the best of its sweep at
    this moment, so the best of all has them, and of those that the sweep or somebody asked for.
    """
    sweep = sweep_row.lock(session, sweep_id)
    if sweep is None:
        return set()
    given = lease_arrays([result.lease for result in results]) | {
        "states": [result.state for result in results],
        "values": [result.value for result in results],
        "stds": [result.std for result in results],
        "errors": [result.error for result in results],
        "reasons": [result.pruned for result in results],
        "others": [_array(result.other_values) for result in results],
    }
    accepted = {row.id for row in session.execute(statements.FINISH, given)}
    if not accepted:
        return accepted
    kept = {one: weights(one) for one in kept_of(session, sweep, accepted, sweep_row.best_trial_id(sweep))}
    _insert_runs(session, [result for result in results if result.lease.trial_id in accepted], kept)
    stop_rules.apply(session, sweep)
    sweep_row.mark_changed(session, sweep_id)
    sweep_row.close_if_done(session, [sweep_id])
    session.execute(update(Worker).where(Worker.id == worker_id).values(trials_done=Worker.trials_done + len(accepted)))
    return accepted


def _insert_runs(session: Session, results: Sequence[TrialResult], kept: Mapping[int, Mapping[int, bytes]]) -> None:
    rows = [
        {
            "trial_id": result.lease.trial_id,
            "seed": run.seed,
            "state": _run_state(result, run),
            "value": run.value,
            "error": run.error,
            "seconds": run.seconds,
            "weights": kept.get(result.lease.trial_id, {}).get(run.seed),
        }
        for result in results
        for run in result.runs
    ]
    if rows:
        session.execute(insert(Run), rows)


def _run_state(result: TrialResult, run: RunResult) -> RunState:
    if run.value is None:
        return RunState.diverged
    return RunState.complete if result.pruned is None else RunState.pruned


def _array(values: Sequence[float] | None) -> str | None:
    """As Postgres writes an array: arrays of arrays can't be taken apart."""
    return None if values is None else "{" + ",".join(map(repr, values)) + "}"

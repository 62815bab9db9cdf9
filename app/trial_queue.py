"""Every write that a worker makes. The trial's row is the queue entry; a lease is the right to write to it.

A lease ends by the database's clock, so a worker's clock may be wrong. A statement with a token that is no longer the
trial's changes nothing, and its answer leaves the trial out: that is how a worker learns that it lost it.
Every transaction locks one sweep's row, then rows of its trials, then the worker's row, so that two of them can't wait
for each other. One that must lock several sweeps locks them by id, all before anything else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import queue_statements, stop_rules, sweeps
from app.models import Run, RunState, Sweep, SweepState, Trial, TrialState, Worker, WorkerState
from app.pruners import complete_trials_needed, stored_pruner
from app.samplers import population
from app.schemas.pruners import OneEpochPruner
from app.weights import kept_of

MAX_ATTEMPTS = 3  # a trial whose workers died so often fails, so that a poisonous one can't take down the fleet
LEARNING_BATCH = 10  # trials asked at once of a sampler that learns; more once it has seen twice as many
SILENT_SECONDS = 60.0  # a worker not heard of for so long no longer counts


@dataclass(frozen=True)
class Lease:
    """A worker's time-limited right to a trial."""

    trial_id: int
    token: UUID


@dataclass(frozen=True)
class ClaimedTrial:
    """A trial that this worker holds; `params` is None until the sampler is asked.

    `first_seed` is the index of its first run's seed.
    """

    lease: Lease
    number: int
    params: dict[str, Any] | None
    attempt: int
    first_seed: int = 0


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


def register(session: Session, worker: Worker) -> None:
    session.add(worker)


def forget_workers(session: Session) -> None:
    """Removes workers that were last heard of a week ago, but those that trained something that is still here."""
    session.execute(queue_statements.FORGET_WORKERS)


def live_workers(session: Session) -> int:
    """Workers that were heard of lately."""
    lately = func.clock_timestamp() - text(f"interval '{SILENT_SECONDS:g} seconds'")
    alive = select(func.count()).where(Worker.state != WorkerState.stopped, Worker.last_seen > lately)
    return session.scalars(alive).one()


def claim(
    session: Session, worker_id: UUID, max_trials: int, lease_seconds: float
) -> tuple[Sweep, list[ClaimedTrial]] | None:
    """Takes a fair share of the waiting trials of one sweep: at most `max_trials`, None when nothing waits.

    The sweep is the one with the fewest running trials, so a long sweep never starves a short one. The share is the
    cost of all its live trials over the number of live workers, dearest first, so that all workers end together.
    A trial that has lost two workers is trained alone. Trials whose lease has run out come back through `expire`, in a
    transaction before this one: with the lapsed sweeps locked, waiting here for another one could wait for ever.
    """
    sweep_id = session.scalar(queue_statements.PICK_SWEEP)
    if sweep_id is None:
        return None
    limit = _batch(session, sweep_id, max_trials)
    reuse = sweeps.get(session, sweep_id).repeats == "reuse"
    given = {"sweep": sweep_id, "worker": worker_id, "limit": limit, "lease": lease_seconds, "reuse": reuse}
    rows = session.execute(queue_statements.CLAIM, given | {"silent": SILENT_SECONDS}).all()
    if not rows:
        return None
    ids = [row.id for row in rows]
    session.execute(text("DELETE FROM epochs WHERE trial_id = ANY(:ids)"), {"ids": ids})
    sweep = sweeps.get(session, sweep_id)
    if sweep.state == SweepState.queued:
        sweep.state = SweepState.running
        sweep.started_at = sweep.started_at or session.scalar(select(func.clock_timestamp()))
    _touch(session, sweep_id)
    set_worker_state(session, worker_id, WorkerState.training)
    return sweep, [_claimed(row) for row in sorted(rows, key=lambda row: row.number)]


def note_environment(sweep: Sweep, environment: Mapping[str, str]) -> None:
    """Keeps with a sweep that was just claimed what the first worker computes with, and the devices of all."""
    known = sweep.environment or {name: value for name, value in environment.items() if name != "device"}
    devices = known.get("devices", [])
    if environment["device"] not in devices:
        sweep.environment = {**known, "devices": sorted([*devices, environment["device"]])}


def record(
    session: Session, sweep_id: int, done: Mapping[Lease, int], points: Sequence[EpochPoint], lease_seconds: float
) -> set[int]:
    """Writes points of learning curves and extends the leases; returns the ids of the trials that are still held.

    `done` says for each held trial how many epochs of its runs are recorded by now.
    """
    columns = {name: [getattr(point, name) for point in points] for name in EpochPoint.__dataclass_fields__}
    rows = session.execute(
        queue_statements.RECORD,
        _lease_arrays(list(done)) | {"dones": list(done.values()), "sweep": sweep_id, "lease": lease_seconds} | columns,
    ).all()
    if rows and points:
        sweeps.notify(session, sweep_id)
    return {row.id for row in rows}


def heartbeat(session: Session, worker_id: UUID, leases: Sequence[Lease], lease_seconds: float) -> set[int]:
    """Says that the worker lives and extends its leases; returns the ids of the trials that are still held."""
    given = _lease_arrays(leases)
    session.execute(queue_statements.LOCK_THEIR_SWEEPS, {"ids": given["ids"]})
    held = {row.id for row in session.execute(queue_statements.HEARTBEAT, given | {"lease": lease_seconds})}
    session.execute(update(Worker).where(Worker.id == worker_id).values(last_seen=func.clock_timestamp()))
    return held


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
    sweep = _lock(session, sweep_id)
    if sweep is None:
        return set()
    given = _lease_arrays([result.lease for result in results]) | {
        "states": [result.state for result in results],
        "values": [result.value for result in results],
        "stds": [result.std for result in results],
        "errors": [result.error for result in results],
        "reasons": [result.pruned for result in results],
        "others": [_array(result.other_values) for result in results],
    }
    accepted = {row.id for row in session.execute(queue_statements.FINISH, given)}
    if not accepted:
        return accepted
    kept = {one: weights(one) for one in kept_of(session, sweep, accepted, sweeps.best_trial_id(sweep))}
    _insert_runs(session, [result for result in results if result.lease.trial_id in accepted], kept)
    stop_rules.apply(session, sweep)
    _touch(session, sweep_id)
    sweeps.close_if_done(session, [sweep_id])
    session.execute(update(Worker).where(Worker.id == worker_id).values(trials_done=Worker.trials_done + len(accepted)))
    return accepted


def give_back(session: Session, sweep_id: int, leases: Sequence[Lease]) -> None:
    """Puts trials back into the queue as if they had not been claimed; they keep their parameters."""
    if _lock(session, sweep_id) is None:
        return
    session.execute(queue_statements.GIVE_BACK, _lease_arrays(leases))
    _end_stopped(session, [sweep_id])
    _touch(session, sweep_id)


def drop(session: Session, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
    """Puts back trials whose training raised an error; after MAX_ATTEMPTS they fail with the reason."""
    if _lock(session, sweep_id) is None:
        return
    session.execute(queue_statements.DROP, _lease_arrays(leases) | {"reason": reason, "attempts": MAX_ATTEMPTS})
    _end_stopped(session, [sweep_id])
    _touch(session, sweep_id)


def expire(session: Session) -> None:
    """Takes back trials whose lease has run out: to the queue again, or failed after MAX_ATTEMPTS."""
    lapsed = session.scalars(queue_statements.LAPSED_SWEEPS).all()
    if not lapsed:
        return
    session.execute(queue_statements.EXPIRE, {"sweeps": list(lapsed), "attempts": MAX_ATTEMPTS})
    _end_stopped(session, lapsed)
    for sweep_id in lapsed:
        _touch(session, sweep_id)


def set_worker_state(session: Session, worker_id: UUID, state: WorkerState) -> None:
    session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, last_seen=func.clock_timestamp()))


def _lock(session: Session, sweep_id: int) -> Sweep | None:
    """The sweep, locked; None when it was deleted, and all its trials with it, while the worker trained."""
    return session.get(Sweep, sweep_id, with_for_update=True, populate_existing=True)


def _batch(session: Session, sweep_id: int, max_trials: int) -> int:
    """The most trials to claim at once.

    A sampler that learns, or a pruner that compares with complete trials, must see results before it is asked for many
    more; `one_epoch` compares what it sees together, so it sees as much as possible.
    """
    sweep = sweeps.get(session, sweep_id)
    pruner = None if sweep.pruner is None else stored_pruner(sweep.pruner)
    if isinstance(pruner, OneEpochPruner):
        return sweeps.MAX_TRIALS
    needed = None if pruner is None else complete_trials_needed(pruner)
    learns = sweep.sampler["name"] not in {"grid", "random", "qmc"}
    if not learns and needed is None:
        return max_trials
    ended = session.scalars(
        select(func.count()).where(
            Trial.sweep_id == sweep_id, Trial.finished_at.is_not(None), Trial.state != TrialState.infeasible
        )
    ).one()
    of_its_own = "population_size" if sweep.sampler["name"] in {"cmaes", "nsgaii"} else "n_startup_trials"
    first = int(sweep.sampler.get(of_its_own) or population(sweep.sampler) or LEARNING_BATCH)
    return min(max_trials, max(first, needed or 0, ended // 2, 1))


def _claimed(row: Row[Any]) -> ClaimedTrial:
    return ClaimedTrial(Lease(row.id, row.lease_token), row.number, row.params, row.attempt, row.first_seed)


def _lease_arrays(leases: Sequence[Lease]) -> dict[str, list[Any]]:
    return {"ids": [lease.trial_id for lease in leases], "tokens": [lease.token for lease in leases]}


def _touch(session: Session, sweep_id: int) -> None:
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(revision=Sweep.revision + 1))
    sweeps.notify(session, sweep_id)


def _end_stopped(session: Session, sweep_ids: Sequence[int]) -> None:
    """A trial that came back to a stopping sweep is cancelled, as its waiting ones were; a failed one may stop it."""
    for sweep_id in sweep_ids:
        stop_rules.apply(session, sweeps.get(session, sweep_id))
    session.execute(queue_statements.CANCEL_IN_STOPPING, {"sweeps": list(sweep_ids)})
    sweeps.close_if_done(session, sweep_ids)


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

"""Sweeps, workers and results for tests of the queue, written through the use cases themselves."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Engine, func, select, text

from app import queue
from app.db import sweep_setups
from app.db.engine import transaction
from app.db.tables import Checkpoint, Epoch, Run, Sweep, Trial, Worker
from app.domain.devices.products import EXACT, Products
from app.domain.states import SweepState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle import sweep_row
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.progress import EpochPoint, RunResult, TrialResult
from app.schemas import SweepCreate
from app.search.assignment import Suggestion, apply_suggestions
from app.sweeps import creation

Result = TypeVar("Result")

BODY: dict[str, Any] = {
    "name": "example",
    "dataset": "digits",
    "space": {"hidden_units": {"low": 1, "high": 64}, "epochs": 2},
    "sampler": "random",
    "n_trials": 4,
}
ENDLESS: dict[str, Any] = {"hidden_units": 8, "batch_size": 16, "epochs": 10_000}  # minutes, on any machine
LEASE_SECONDS = 30.0
HALVING: dict[str, Any] = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3}


def create_sweep(engine: Engine, **changes: Any) -> int:
    with transaction(engine) as session:
        return creation.create(session, SweepCreate.model_validate(BODY | changes)).id


def create_grid(engine: Engine, *units: int, **changes: Any) -> int:
    """A sweep whose trials have their parameters: one for each width."""
    space = {"hidden_units": list(units), "epochs": 2}
    return create_sweep(engine, **{"space": space, "sampler": "grid", "n_trials": None} | changes)


def create_timing(engine: Engine, n_trials: int, **changes: Any) -> int:
    """A sweep that times matrix products of so many sizes."""
    body: dict[str, Any] = {
        "name": "timing",
        "task": "time_matmul",
        "space": {"size": [*range(8, 8 + n_trials)]},
        "sampler": "grid",
    }
    with transaction(engine) as session:
        return creation.create(session, SweepCreate.model_validate(body | changes)).id


def new_worker(
    engine: Engine, host: str = "here", device: str = "cpu", memory: int = 2**34, products: Products = EXACT
) -> UUID:
    """A registered worker, which the share of the others counts."""
    worker = Worker(id=uuid4(), host=host, pid=1, device=device, threads=1, memory=memory, products=products)
    with transaction(engine) as session:
        queue.register(session, worker)
    return worker.id


def claim(
    engine: Engine, worker_id: UUID, max_trials: int = 1000, lease_seconds: float = LEASE_SECONDS
) -> list[ClaimedTrial]:
    with transaction(engine) as session:
        claimed = queue.claim(session, worker_id, max_trials, lease_seconds)
    return claimed[1] if claimed else []


def choose(engine: Engine, sweep_id: int, trials: Sequence[ClaimedTrial]) -> None:
    """Gives every claimed trial parameters, as a sampler would."""
    with transaction(engine) as session:
        suggestions = [
            Suggestion(trial.lease.trial_id, trial.lease.token, {"hidden_units": trial.number + 1, "epochs": 2})
            for trial in trials
        ]
        apply_suggestions(session, sweep_id, suggestions)


def record(engine: Engine, sweep_id: int, leases: Sequence[Lease], epoch: int = 1) -> set[int]:
    """Writes the same epoch of the first run of each trial."""
    points = [EpochPoint(lease.trial_id, 0, epoch, 1.0, 0.5, 1.0, 0.5, 0.1) for lease in leases]
    with transaction(engine) as session:
        return queue.record(session, sweep_id, dict.fromkeys(leases, epoch), points, LEASE_SECONDS)


def heartbeat(engine: Engine, worker_id: UUID, leases: Sequence[Lease]) -> set[int]:
    with transaction(engine) as session:
        return queue.heartbeat(session, worker_id, leases, LEASE_SECONDS)


def success(lease: Lease, value: float = 0.5) -> TrialResult:
    return TrialResult(lease, value, None, None, [RunResult(0, value, None, 0.1)])


def failure(lease: Lease, error: str = "diverged at epoch 1") -> TrialResult:
    return TrialResult(lease, None, None, error, [RunResult(0, None, error, 0.1)])


def save_checkpoints(engine: Engine, sweep_id: int, leases: Sequence[Lease], epoch: int) -> set[int]:
    """Stores a checkpoint of each trial, with one run."""
    checkpoints = [TrialCheckpoint(lease, epoch, epoch, f"after {epoch}".encode()) for lease in leases]
    with transaction(engine) as session:
        return queue.save_checkpoints(session, sweep_id, checkpoints)


def end_leg(engine: Engine, sweep_id: int, means: Mapping[Lease, float | None]) -> set[int]:
    """Lets trials wait at their rung, with these means, or at no rung."""
    with transaction(engine) as session:
        return queue.end_leg(session, sweep_id, [LegResult(lease, mean) for lease, mean in means.items()])


def halved(engine: Engine, n_trials: int, **changes: Any) -> int:
    """A sweep that is halved at the epochs 1 and 3 of 9."""
    space = BODY["space"] | {"epochs": 9}
    return create_sweep(engine, **{"space": space, "n_trials": n_trials, "pruner": HALVING} | changes)


def reach_rung(engine: Engine, sweep: int, trials: list[ClaimedTrial], quality: dict[int, float]) -> None:
    """Trains the trials up to the rung at which their leg ends; their means there are their qualities, by number."""
    choose(engine, sweep, [trial for trial in trials if trial.params is None])
    leases = [trial.lease for trial in trials]
    for epoch in range(trials[0].epochs_trained + 1, (trials[0].rung_epoch or 9) + 1):
        record(engine, sweep, leases, epoch)
    save_checkpoints(engine, sweep, leases, trials[0].rung_epoch or 9)
    end_leg(engine, sweep, {trial.lease: quality[trial.number] for trial in trials})


def checkpointed_ids(engine: Engine) -> list[int]:
    """The ids of the trials that have a checkpoint."""
    with transaction(engine) as session:
        return list(session.scalars(select(Checkpoint.trial_id).order_by(Checkpoint.trial_id)))


def finish(engine: Engine, sweep_id: int, worker_id: UUID, results: Sequence[TrialResult]) -> set[int]:
    with transaction(engine) as session:
        return queue.finish(session, sweep_id, worker_id, results, lambda trial_id: {0: str(trial_id).encode()})


def complete(engine: Engine, sweep_id: int, worker_id: UUID, trials: Sequence[ClaimedTrial]) -> set[int]:
    """Finishes the trials, with parameters and values."""
    choose(engine, sweep_id, [trial for trial in trials if trial.params is None])
    return finish(engine, sweep_id, worker_id, [success(trial.lease) for trial in trials])


def expire(engine: Engine) -> None:
    """Takes lapsed leases back, once a server that may be at it beside the test has done so."""
    with transaction(engine) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lapsed leases', 0))"))
        queue.expire(session)


def let_lapse(engine: Engine, *leases: Lease) -> None:
    """Ends these leases now, as time would."""
    past = text("UPDATE trials SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_token = ANY(:tokens)")
    with transaction(engine) as session:
        session.execute(past, {"tokens": [lease.token for lease in leases]})


def change(engine: Engine, sweep_id: int, call: str) -> SweepState:
    with transaction(engine) as session:
        return sweep_row.change_state(session, sweep_id, call).state


def sweep_of(engine: Engine, sweep_id: int) -> Sweep:
    with transaction(engine) as session:
        return session.get_one(Sweep, sweep_id)


def setup_of(engine: Engine, sweep_id: int) -> SweepSetup:
    """The sweep as its workers know it."""
    return sweep_setups.setup_of(sweep_of(engine, sweep_id))


def trials_of(engine: Engine, sweep_id: int) -> list[Trial]:
    with transaction(engine) as session:
        return list(session.scalars(select(Trial).where(Trial.sweep_id == sweep_id).order_by(Trial.number)))


def states(engine: Engine, sweep_id: int) -> list[str]:
    """Of its trials, by number."""
    return [trial.state.value for trial in trials_of(engine, sweep_id)]


def count_epochs(engine: Engine) -> int:
    """Of all sweeps."""
    with transaction(engine) as session:
        return session.scalars(select(func.count()).select_from(Epoch)).one()


def runs_of(engine: Engine, sweep_id: int) -> list[Run]:
    with transaction(engine) as session:
        return list(
            session.scalars(select(Run).join(Trial).where(Trial.sweep_id == sweep_id).order_by(Trial.number, Run.seed))
        )


def at_once(calls: Sequence[Callable[[], Result]], seconds: float = 120) -> list[Result]:
    """What the calls give when each runs in a thread of its own; raises what the first of them raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(seconds) for future in [pool.submit(call) for call in calls]]

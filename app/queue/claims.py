"""Claims: a worker takes waiting trials of one sweep, each under a lease.

What a lease is, and in which order rows are locked, is said in app.queue.leases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.pruning.options import OneEpochPruner, stored_pruner
from app.domain.pruning.rules import complete_trials_needed
from app.domain.sampling import first_batch, traits_of
from app.domain.states import SweepState, TrialState, WorkerState
from app.domain.sweep_limits import MAX_TRIALS
from app.lifecycle import sweep_row
from app.queue import statements
from app.queue.leases import Lease
from app.queue.workers import set_worker_state

# The largest claim by the kind of device; the share of a worker is often less. It bounds what is lost with a worker,
# not what it trains at once: trained in smaller cohorts the same runs took no less time, whether the parameters of all
# fit in the cache or not (`python -m benchmarks.cohorts`).
MAX_CLAIMED_TRIALS = {"cpu": 64, "mps": 256, "cuda": 512}


@dataclass(frozen=True)
class ClaimedTrial:
    """A trial that this worker holds."""

    lease: Lease
    number: int
    params: dict[str, Any] | None  # None until the sampler is asked
    attempt: int
    first_seed: int = 0  # index of its first run's seed


def claim(
    session: Session, worker_id: UUID, max_trials: int, lease_seconds: float
) -> tuple[Sweep, list[ClaimedTrial]] | None:
    """Takes a fair share of the waiting trials of one sweep, None when nothing waits.

    It is at most `max_trials`, except under the pruner `one_epoch`, which compares all trials of its cohort.

    The sweep is one of the highest priority, and of those the one with the fewest running trials, so that a long sweep
    never starves a short one. The share is the cost of all its live trials over the number of live workers: enqueued
    trials first, then the most expensive, so that all workers end together. A trial on its last attempt comes before
    all others and is trained alone, so that it takes no other trial down with its worker.

    Trials whose lease has run out come back through `expire`, in a transaction before this one: two workers that hold
    the locks of lapsed sweeps and come here for one more could wait for each other.
    """
    sweep_id = session.scalar(statements.PICK_SWEEP)
    if sweep_id is None:
        return None
    sweep = sweep_row.get(session, sweep_id)
    limit = _claim_limit(session, sweep, max_trials)
    parameters = {"sweep": sweep_id, "worker": worker_id, "limit": limit, "lease": lease_seconds}
    rows = session.execute(statements.CLAIM, parameters | {"reuse": sweep.repeats == "reuse"}).all()
    if not rows:
        return None
    session.execute(text("DELETE FROM epochs WHERE trial_id = ANY(:ids)"), {"ids": [row.id for row in rows]})
    if sweep.state == SweepState.queued:
        sweep.state = SweepState.running
        sweep.started_at = sweep.started_at or session.scalar(select(func.clock_timestamp()))
    sweep_row.mark_changed(session, sweep_id)
    set_worker_state(session, worker_id, WorkerState.training)
    return sweep, [_claimed(row) for row in sorted(rows, key=lambda row: row.number)]


def note_environment(sweep: Sweep, environment: Mapping[str, str]) -> None:
    """Notes with a sweep that was just claimed what its first worker computes with, and the devices of all workers."""
    first_environment = sweep.environment or {name: value for name, value in environment.items() if name != "device"}
    devices = first_environment.get("devices", [])
    if environment["device"] not in devices:
        sweep.environment = {**first_environment, "devices": sorted([*devices, environment["device"]])}


def _claim_limit(session: Session, sweep: Sweep, max_trials: int) -> int:
    """The most trials to claim at once.

    A sampler that learns, or a pruner that compares with complete trials, must see results before it is asked for many
    more; `one_epoch` compares what it sees together, so it sees as much as possible.
    """
    pruner = None if sweep.pruner is None else stored_pruner(sweep.pruner)
    if isinstance(pruner, OneEpochPruner):
        return MAX_TRIALS
    complete_trials = None if pruner is None else complete_trials_needed(pruner)
    if complete_trials is None and not traits_of(sweep.sampler).learns:
        return max_trials
    ended = session.scalars(
        select(func.count()).where(
            Trial.sweep_id == sweep.id, Trial.finished_at.is_not(None), Trial.state != TrialState.infeasible
        )
    ).one()
    return min(max_trials, max(first_batch(sweep.sampler), complete_trials or 0, ended // 2, 1))


def _claimed(row: Row[Any]) -> ClaimedTrial:
    return ClaimedTrial(Lease(row.id, row.lease_token), row.number, row.params, row.attempt, row.first_seed)

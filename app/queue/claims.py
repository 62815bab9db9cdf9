"""Claims: a worker takes waiting trials of one sweep, each under a lease, which is the right to write to its row.

A lease ends by the database's clock, so a worker's clock may be wrong. A statement with a token that is no longer the
trial's changes nothing, and its answer leaves the trial out: that is how a worker learns that it lost it.
Every transaction locks one sweep's row, then rows of its trials, then the worker's row, so that two of them can't wait
for each other. One that must lock several sweeps locks them by id, all before anything else.
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
from app.lifecycle import sweep_row
from app.queue import statements
from app.queue.leases import Lease
from app.queue.workers import SILENT_SECONDS, set_worker_state


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


def claim(
    session: Session, worker_id: UUID, max_trials: int, lease_seconds: float
) -> tuple[Sweep, list[ClaimedTrial]] | None:
    """Takes a fair share of the waiting trials of one sweep: at most `max_trials`, None when nothing waits.

    The sweep is the one with the fewest running trials, so a long sweep never starves a short one. The share is the
    cost of all its live trials over the number of live workers, dearest first, so that all workers end together.
    A trial that has lost two workers is trained alone. Trials whose lease has run out come back through `expire`, in a
    transaction before this one: with the lapsed sweeps locked, waiting here for another one could wait for ever.
    """
    sweep_id = session.scalar(statements.PICK_SWEEP)
    if sweep_id is None:
        return None
    limit = _batch(session, sweep_id, max_trials)
    reuse = sweep_row.get(session, sweep_id).repeats == "reuse"
    given = {"sweep": sweep_id, "worker": worker_id, "limit": limit, "lease": lease_seconds, "reuse": reuse}
    rows = session.execute(statements.CLAIM, given | {"silent": SILENT_SECONDS}).all()
    if not rows:
        return None
    ids = [row.id for row in rows]
    session.execute(text("DELETE FROM epochs WHERE trial_id = ANY(:ids)"), {"ids": ids})
    sweep = sweep_row.get(session, sweep_id)
    if sweep.state == SweepState.queued:
        sweep.state = SweepState.running
        sweep.started_at = sweep.started_at or session.scalar(select(func.clock_timestamp()))
    sweep_row.mark_changed(session, sweep_id)
    set_worker_state(session, worker_id, WorkerState.training)
    return sweep, [_claimed(row) for row in sorted(rows, key=lambda row: row.number)]


def note_environment(sweep: Sweep, environment: Mapping[str, str]) -> None:
    """Keeps with a sweep that was just claimed what the first worker computes with, and the devices of all."""
    known = sweep.environment or {name: value for name, value in environment.items() if name != "device"}
    devices = known.get("devices", [])
    if environment["device"] not in devices:
        sweep.environment = {**known, "devices": sorted([*devices, environment["device"]])}


def _batch(session: Session, sweep_id: int, max_trials: int) -> int:
    """The most trials to claim at once.

    A sampler that learns, or a pruner that compares with complete trials, must see results before it is asked for many
    more; `one_epoch` compares what it sees together, so it sees as much as possible.
    """
    sweep = sweep_row.get(session, sweep_id)
    pruner = None if sweep.pruner is None else stored_pruner(sweep.pruner)
    if isinstance(pruner, OneEpochPruner):
        return sweep_row.MAX_TRIALS
    needed = None if pruner is None else complete_trials_needed(pruner)
    learns = traits_of(sweep.sampler).learns
    if not learns and needed is None:
        return max_trials
    ended = session.scalars(
        select(func.count()).where(
            Trial.sweep_id == sweep_id, Trial.finished_at.is_not(None), Trial.state != TrialState.infeasible
        )
    ).one()
    first = first_batch(sweep.sampler)
    return min(max_trials, max(first, needed or 0, ended // 2, 1))


def _claimed(row: Row[Any]) -> ClaimedTrial:
    return ClaimedTrial(Lease(row.id, row.lease_token), row.number, row.params, row.attempt, row.first_seed)

"""Leases: a worker's time-limited right to a trial, and how a trial comes back to the queue.

A lease is the trial's `lease_token`, made anew by each claim, and `lease_until`. It ends by the database's clock, so a
worker's clock may be wrong. Every write of a worker names the token: where it is no longer the trial's, the statement
changes nothing, and its answer leaves the trial out. That is how a worker learns that it lost the trial.

Lock order, which keeps two transactions from waiting for each other: every transaction locks one sweep's row, then rows
of its trials, then the worker's row. Before a sweep's row it takes its turn at it (app.lifecycle.sweep_row); only a
heartbeat does without, which writes no more than its own trials. One that must lock several sweeps locks them by id,
before anything else. A claim takes its turn among claims of the sweep, and that at its machine, before the sweep's row
(app.queue.picking).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.tables import Trial, Worker
from app.domain.states import TrialState
from app.lifecycle import stop_rules, sweep_row
from app.queue import lost_attempts, statements
from app.queue.lost_attempts import LostAttempt
from app.queue.workers import read_claimer

EXPIRED_LEASES = "expired_leases"  # the name of their counter
MAX_ATTEMPTS = 3  # a trial fails once so many attempts raised an error or lost their worker

MemoryBytes = Annotated[int, Field(ge=0, lt=2**62)]


@dataclass(frozen=True)
class Lease:
    """A trial and the token under which a worker may write to it."""

    trial_id: int
    token: UUID


def lease_arrays(leases: Sequence[Lease]) -> dict[str, list[Any]]:
    """The parameters `ids` and `tokens` of the queue's statements."""
    return {"ids": [lease.trial_id for lease in leases], "tokens": [lease.token for lease in leases]}


def heartbeat(
    session: Session,
    worker_id: UUID,
    leases: Sequence[Lease],
    lease_seconds: float,
    examples_per_second: float = 0.0,
    speed: float | None = None,
) -> set[int]:
    """Says that the worker lives and extends its leases; returns the ids of the trials still held.

    `speed`, the cost that it trains a second, is what it was before where it is None.
    """
    arrays = lease_arrays(leases)
    session.execute(statements.LOCK_SWEEPS_OF_LEASES, arrays)
    held_ids = {row.id for row in session.execute(statements.HEARTBEAT, arrays | {"lease": lease_seconds})}
    life = {"last_seen": func.clock_timestamp(), "training_rate": examples_per_second}
    life |= {} if speed is None else {"speed": speed}
    session.execute(update(Worker).where(Worker.id == worker_id).values(life))
    return held_ids


def give_back(session: Session, sweep_id: int, leases: Sequence[Lease]) -> None:
    """Puts trials back into the queue as if they had not been claimed; they keep their parameters."""
    if sweep_row.lock(session, sweep_id) is None:  # deleted meanwhile, with its trials
        return
    session.execute(statements.GIVE_BACK, lease_arrays(leases) | {"sweep": sweep_id})
    settle_sweeps(session, [sweep_id])


@dataclass(frozen=True)
class TooLargeTrial:
    """A trial that does not fit in the memory of the worker that holds it."""

    lease: Lease
    memory: MemoryBytes  # that a worker has to have at least, as far as can be told
    reason: str  # with its sizes


def leave_to_larger(session: Session, sweep_id: int, worker_id: UUID, trials: Sequence[TooLargeTrial]) -> None:
    """Leaves trials to workers with more memory, the attempt not counted; without such, as `fail_attempt`."""
    sweep = sweep_row.lock(session, sweep_id)
    claimer = read_claimer(session, worker_id)
    if sweep is None or claimer is None:
        give_back(session, sweep_id, [trial.lease for trial in trials])
        return
    least = {trial.lease: claimer.memory_of_larger(trial.memory) for trial in trials}
    largest = claimer.largest_for(sweep)
    memories = {lease: memory for lease, memory in least.items() if memory <= largest}
    if memories:
        parameters = lease_arrays([*memories]) | {"sweep": sweep_id, "memory": [*memories.values()]}
        session.execute(statements.LEAVE_TO_LARGER, parameters)
    leases: dict[str, list[Lease]] = {}
    for trial in trials:
        if trial.lease not in memories:
            leases.setdefault(trial.reason, []).append(trial.lease)
    for reason, of_reason in leases.items():
        _end_attempts(session, sweep_id, of_reason, reason)
    settle_sweeps(session, [sweep_id])


def give_back_all(session: Session, worker_id: UUID) -> None:
    """Puts back whatever the worker holds: it has lost the answer to a claim, and does not know of it.

    Called behind `note_lost_claims`, lest a claim that is still under way comes true afterwards.
    """
    held_trials = select(Trial.sweep_id, Trial.id, Trial.lease_token).where(
        Trial.worker_id == worker_id, Trial.state == TrialState.running
    )
    leases: dict[int, list[Lease]] = {}
    rows: Iterable[Any] = session.execute(held_trials.order_by(Trial.sweep_id, Trial.id))
    for sweep_id, trial_id, token in rows:
        leases.setdefault(sweep_id, []).append(Lease(trial_id, token))
    for sweep_id, of_sweep in leases.items():
        give_back(session, sweep_id, of_sweep)


def fail_attempt(session: Session, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
    """Puts back trials whose training raised an error; after MAX_ATTEMPTS they fail with the reason."""
    if sweep_row.lock(session, sweep_id) is None:
        return
    _end_attempts(session, sweep_id, leases, reason)
    settle_sweeps(session, [sweep_id])


def _end_attempts(session: Session, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
    """Writes and logs that the attempts of trials of a locked sweep ended."""
    parameters = lease_arrays(leases) | {"sweep": sweep_id, "reason": reason, "attempts": MAX_ATTEMPTS}
    attempts = [LostAttempt(*row) for row in session.execute(statements.FAIL_ATTEMPT, parameters)]
    lost_attempts.note(session, attempts, reason)


def fail_waiting(session: Session, worker_id: UUID, sweep_id: int, max_trials: int, reason: str) -> None:
    """Ends an attempt of the next trials of a sweep from which nothing can be claimed, as if they had been claimed."""
    if sweep_row.lock(session, sweep_id) is None:
        return
    parameters = {"sweep": sweep_id, "worker": worker_id, "limit": max_trials, "reason": reason}
    rows = session.execute(statements.FAIL_WAITING, parameters | {"attempts": MAX_ATTEMPTS})
    lost_attempts.note(session, [LostAttempt(*row) for row in rows], reason)
    settle_sweeps(session, [sweep_id])


def expire(session: Session) -> None:
    """Takes back trials whose lease has run out: to the queue again, or failed after MAX_ATTEMPTS.

    Where another process is at it, this one leaves it to that.
    """
    if not session.scalar(statements.TAKE_TURN_AT_LAPSED):
        return
    sweeps = sweep_row.lock_all(session, session.scalars(statements.LAPSED_SWEEPS))
    if sweeps:
        sweep_ids = [sweep.id for sweep in sweeps]
        parameters = {"sweeps": sweep_ids, "attempts": MAX_ATTEMPTS}
        attempts = [LostAttempt(*row) for row in session.execute(statements.EXPIRE, parameters)]
        session.execute(statements.COUNT, {"name": EXPIRED_LEASES, "count": len(attempts)})
        lost_attempts.note(session, attempts)
        settle_sweeps(session, sweep_ids)


def settle_sweeps(session: Session, sweep_ids: Sequence[int]) -> None:
    """Applies stop rules to the locked sweeps, cancels what waits in stopping ones, closes those that are done."""
    for sweep_id in sweep_ids:
        stop_rules.apply(session, sweep_row.get(session, sweep_id))
    session.execute(statements.CANCEL_IN_STOPPING, {"sweeps": list(sweep_ids)})
    sweep_row.close_if_done(session, sweep_ids, completed=0)
    for sweep_id in sweep_ids:
        sweep_row.mark_changed(session, sweep_id)

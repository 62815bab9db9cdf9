"""Legs: a trial trains for a while, then lies in the queue with its checkpoint until a worker takes it up again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Checkpoint, Trial
from app.lifecycle import sweep_row
from app.queue import statements
from app.queue.leases import Lease, lease_arrays, settle_sweeps


@dataclass(frozen=True)
class TrialCheckpoint:
    """What the training of a trial goes on from."""

    lease: Lease
    epoch: int  # the last one that it holds
    epochs_done: int  # recorded epochs up to it, summed over the trial's runs
    data: bytes  # safetensors


@dataclass(frozen=True)
class LegResult:
    """A leg that ended before the trial did."""

    lease: Lease
    rung_mean: float | None  # over the runs; None where the leg did not end at a rung


def save_checkpoints(session: Session, sweep_id: int, checkpoints: Sequence[TrialCheckpoint]) -> set[int]:
    """Stores checkpoints in place of earlier ones; returns the ids of the trials that are still held."""
    if sweep_row.lock(session, sweep_id) is None:
        return set()
    arrays = lease_arrays([checkpoint.lease for checkpoint in checkpoints])
    epochs = [checkpoint.epoch for checkpoint in checkpoints]
    held_ids = {row.id for row in session.execute(statements.NOTE_CHECKPOINTS, arrays | {"epochs": epochs})}
    for checkpoint in checkpoints:
        trial_id = checkpoint.lease.trial_id
        if trial_id in held_ids:
            # one by one: the driver takes far longer for many large values that are sent together
            store_checkpoint(session, checkpoint)
    return held_ids


def store_checkpoint(session: Session, checkpoint: TrialCheckpoint, *, is_final: bool = False) -> None:
    """Writes the checkpoint of a trial in place of an earlier one; a final one is that of a trial that is complete."""
    row = {"trial_id": checkpoint.lease.trial_id, "epochs_done": checkpoint.epochs_done, "data": checkpoint.data}
    session.execute(statements.SAVE_CHECKPOINT, row | {"is_final": is_final})


def end_leg(session: Session, sweep_id: int, results: Sequence[LegResult]) -> set[int]:
    """Lets trials wait until they are claimed or promoted; returns the ids of those that were still held.

    A trial goes on from its checkpoint when its turn comes, or begins anew where it has none.
    """
    if sweep_row.lock(session, sweep_id) is None:
        return set()
    arrays = lease_arrays([result.lease for result in results])
    means = [result.rung_mean for result in results]
    held_ids = {row.id for row in session.execute(statements.END_LEG, arrays | {"means": means})}
    if held_ids:
        session.execute(statements.NOTE_LEGS, {"sweep": sweep_id, "ids": list(held_ids)})
        settle_sweeps(session, [sweep_id])
    return held_ids


def load_checkpoints(session: Session, trial_ids: Collection[int]) -> Mapping[int, bytes]:
    """The data of the checkpoints of these trials, by trial id."""
    rows = session.execute(select(Checkpoint.trial_id, Checkpoint.data).where(Checkpoint.trial_id.in_(trial_ids)))
    return {row.trial_id: row.data for row in rows}


def epochs_trained(session: Session, trial_ids: Collection[int]) -> dict[int, int]:
    """From which epoch each of these trials goes on, by trial id: that of its newest checkpoint."""
    rows = session.execute(select(Trial.id, Trial.epochs_trained).where(Trial.id.in_(trial_ids)))
    return {row.id: row.epochs_trained for row in rows}


def means_at_rung(session: Session, trial_id: int) -> list[float]:
    """The means of all trials of the sweep and the bracket that have reached the next rung of this one."""
    return list(session.scalars(statements.MEANS_AT_RUNG, {"trial": trial_id}))


def must_make_room(session: Session, sweep_id: int) -> bool:
    """Whether the sweep is paused, or another of no lower priority has trials that wait and none that trains."""
    return bool(session.scalar(statements.MUST_MAKE_ROOM, {"sweep": sweep_id}))

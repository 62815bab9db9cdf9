"""Legs: a trial trains for a while, then lies in the queue with its checkpoint until a worker takes it up again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db.tables import Checkpoint, Trial
from app.domain.sweep_limits import MAX_FLOAT
from app.lifecycle import sweep_row
from app.queue import statements
from app.queue.leases import Lease, lease_arrays, settle_sweeps
from app.queue.workers import read_claimer


@dataclass(frozen=True)
class TrialCheckpoint:
    """What the training of a trial goes on from."""

    lease: Lease
    epoch: Annotated[int, Field(ge=0, lt=2**31)]  # the last one that it holds
    epochs_done: Annotated[int, Field(ge=0, lt=2**31)]  # recorded epochs up to it, summed over the trial's runs
    data: bytes  # safetensors


@dataclass(frozen=True)
class LegResult:
    """A leg that ended before the trial did."""

    lease: Lease
    # over the runs; None where the leg did not end at a rung
    rung_mean: Annotated[float, Field(ge=-MAX_FLOAT, le=MAX_FLOAT, allow_inf_nan=False)] | None


def save_checkpoints(session: Session, sweep_id: int, checkpoints: Sequence[TrialCheckpoint]) -> set[int]:
    """Stores checkpoints in place of earlier ones; returns the ids of the trials that are still held."""
    if sweep_row.lock(session, sweep_id) is None:
        return set()
    arrays = lease_arrays([checkpoint.lease for checkpoint in checkpoints])
    epochs = [checkpoint.epoch for checkpoint in checkpoints]
    held_ids = {
        row.id for row in session.execute(statements.NOTE_CHECKPOINTS, arrays | {"sweep": sweep_id, "epochs": epochs})
    }
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
    held_ids = {row.id for row in session.execute(statements.END_LEG, arrays | {"sweep": sweep_id, "means": means})}
    if held_ids:
        session.execute(statements.NOTE_LEGS, {"sweep": sweep_id, "ids": list(held_ids)})
        settle_sweeps(session, [sweep_id])
    return held_ids


def checkpoint_sizes(session: Session, trial_ids: Collection[int]) -> Mapping[int, int]:
    """The bytes of the checkpoints of these trials, by trial id in the order of these."""
    sizes = select(Checkpoint.trial_id, func.octet_length(Checkpoint.data).label("size"))
    rows = session.execute(sizes.where(_is_any(Checkpoint.trial_id, trial_ids)))
    by_id = {row.trial_id: int(row.size) for row in rows}
    return {trial_id: by_id[trial_id] for trial_id in trial_ids if trial_id in by_id}


def load_checkpoints(session: Session, trial_ids: Collection[int]) -> Mapping[int, bytes]:
    """The data of the checkpoints of these trials, by trial id."""
    rows = session.execute(select(Checkpoint.trial_id, Checkpoint.data).where(_is_any(Checkpoint.trial_id, trial_ids)))
    return {row.trial_id: row.data for row in rows}


def epochs_trained(session: Session, trial_ids: Collection[int]) -> dict[int, int]:
    """From which epoch each of these trials goes on, by trial id: that of its newest checkpoint."""
    rows = session.execute(select(Trial.id, Trial.epochs_trained).where(_is_any(Trial.id, trial_ids)))
    return {row.id: row.epochs_trained for row in rows}


def _is_any(column: InstrumentedAttribute[int], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether it is one of these, of which there may be more than a statement has parameters."""
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def means_at_rung(session: Session, trial_id: int) -> list[float]:
    """The means of all trials of the sweep and the bracket that have reached the next rung of this one."""
    return list(session.scalars(statements.MEANS_AT_RUNG, {"trial": trial_id}))


def must_make_room(session: Session, sweep_id: int, worker_id: UUID) -> bool:
    """Whether the sweep is paused, or another of no lower priority waits for such a worker and none of it trains."""
    claimer = read_claimer(session, worker_id)
    if claimer is None:  # drained: it ends what it trains by itself
        return False
    return bool(session.scalar(statements.MUST_MAKE_ROOM, {"sweep": sweep_id} | claimer.parameters))

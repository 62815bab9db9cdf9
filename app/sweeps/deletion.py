"""Deletion: a sweep is gone at once, with all that was measured in it; its rows go in pieces, in the background."""

import time

from psycopg.errors import QueryCanceled
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db.engine import transaction
from app.db.notifications import notify
from app.db.tables import DeletedSweep, Trial
from app.domain.states import SweepState, TrialState
from app.errors import ConflictError
from app.lifecycle import sweep_row

PIECE = 100  # trials that one transaction removes, each with its runs and curves: tens of milliseconds
PAUSE = 2.0  # between two pieces, as a multiple of the time that the first of them took: others come first


def delete(session: Session, sweep_id: int) -> None:
    """Removes the sweep, and has `clear_piece` remove its trials. Raises ConflictError while trials of it are running.

    Nothing finds those trials any more: who looks for trials begins with their sweep. That they are to be removed is
    noted by a trigger, whoever deletes the sweep.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    if sweep.state in {SweepState.running, SweepState.stopping}:
        raise ConflictError(f"Sweep {sweep_id} is {sweep.state}: it can be deleted once it has ended; cancel it first.")
    running = session.scalar(select(func.count()).where(Trial.sweep_id == sweep_id, Trial.state == TrialState.running))
    if running:
        raise ConflictError(
            f"Sweep {sweep_id} is {sweep.state}, but {running} of its trials still run; cancel it first."
        )
    session.delete(sweep)
    notify(session, sweep_id, has_work=False)


class Clearing:
    """Removes what deleted sweeps have left, piece by piece."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._size = PIECE

    def turn(self) -> float | None:
        """Removes a piece, and says for how many seconds others come first; None where nothing is left to do.

        A piece that takes longer than a statement may is halved: its trials have long curves, or the disk is slow.
        """
        begin = time.monotonic()
        try:
            with transaction(self._engine) as session:
                has_cleared = clear_piece(session, self._size)
        except OperationalError as error:
            if not isinstance(error.orig, QueryCanceled) or self._size == 1:
                raise
            self._size //= 2
            has_cleared = True
        if not has_cleared:
            self._size = PIECE
            return None
        return PAUSE * (time.monotonic() - begin)


def clear_piece(session: Session, size: int) -> bool:
    """Removes so many trials of a deleted sweep; False where nothing is left of any, or others are at the rest."""
    waiting = select(DeletedSweep).order_by(DeletedSweep.sweep_id).limit(1)
    deleted_sweep = session.scalar(waiting.with_for_update(skip_locked=True))
    if deleted_sweep is None:
        return False
    parameters = {"sweep": deleted_sweep.sweep_id, "piece": size}
    if len(session.scalars(_DELETE_PIECE, parameters).all()) < size:
        session.delete(deleted_sweep)
    return True


_DELETE_PIECE = text("""
    DELETE FROM trials WHERE id IN (SELECT id FROM trials WHERE sweep_id = :sweep ORDER BY number LIMIT :piece)
    RETURNING id
""")

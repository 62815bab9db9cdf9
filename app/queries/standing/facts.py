"""What lists and headers say of sweeps: read off all their trials, once for each revision.

A list of fifty sweeps with 5,000 trials each would read 250,000 rows each time.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Sweep
from app.domain.states import SweepState
from app.queries import objective_values, statements
from app.queries.best_configurations import best_configurations
from app.queries.standing.kept import KeptByRevision
from app.queries.totals import TOTALS

TRAINING_SWEEPS = {SweepState.running, SweepState.stopping}


@dataclass(frozen=True)
class SweepFacts:
    """What the trials of a sweep come to, at one of its revisions."""

    totals: Row[Any]  # of TOTALS
    trained: float  # seconds in which any trial was in training, when this was read; only of sweeps that train
    best: schemas.Best | None
    front: list[int] | None  # where there are several objectives
    read_at: float  # time.monotonic

    @property
    def trained_seconds(self) -> float:
        """Seconds in which any trial was in training, until now: while one is, they go on."""
        return self.trained + (time.monotonic() - self.read_at if self.totals.running else 0.0)


_TOTALS: KeptByRevision[Row[Any]] = KeptByRevision()
_FACTS: KeptByRevision[SweepFacts] = KeptByRevision()


def totals(session: Session, revisions: Mapping[int, int]) -> dict[int, Row[Any]]:
    """The rows of TOTALS of sweeps, given by their ids with their revisions."""

    def read(ids: list[int]) -> dict[int, Row[Any]]:
        return {row.sweep_id: row for row in session.execute(TOTALS, {"ids": ids})}

    return _TOTALS.get_or_read(session, revisions, read)


def sweep_facts(session: Session, sweeps: Iterable[Sweep]) -> dict[int, SweepFacts]:
    """The facts of these sweeps, by id; one that was deleted meanwhile is left out."""
    rows = {sweep.id: sweep for sweep in sweeps}
    revisions = {sweep.id: sweep.revision for sweep in rows.values()}
    return _FACTS.get_or_read(session, revisions, lambda ids: _read(session, [rows[sweep_id] for sweep_id in ids]))


def forget() -> None:
    """Keeps nothing, as after a start."""
    _TOTALS.forget()
    _FACTS.forget()


def _read(session: Session, sweeps: list[Sweep]) -> dict[int, SweepFacts]:
    ids = [sweep.id for sweep in sweeps]
    all_totals = totals(session, {sweep.id: sweep.revision for sweep in sweeps})
    training_ids = [sweep.id for sweep in sweeps if sweep.state in TRAINING_SWEEPS]
    times = session.execute(statements.TRAINED, {"ids": training_ids})
    trained = {row.sweep_id: float(row.seconds or 0) for row in times}
    read_at = time.monotonic()
    bests, fronts = best_configurations(session, ids), objective_values.fronts(session, sweeps)
    return {
        sweep_id: SweepFacts(its_totals, trained.get(sweep_id, 0.0), bests.get(sweep_id), fronts.get(sweep_id), read_at)
        for sweep_id, its_totals in all_totals.items()
    }

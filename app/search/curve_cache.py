"""The learning curves of a sweep in a worker's memory, read from the tables piece by piece as they grow."""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, Protocol

from pydantic import Field
from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from app.db.tables import Trial
from app.domain.pruning.curve_table import CurveTable
from app.domain.states import TrialState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle.rungs import max_epochs
from app.queue.claims import ClaimedTrial
from app.queue.errors import UnreachableError
from app.search.repeats import TOOK_OVER

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5  # as often as other workers write
REFRESH_SHARE = 0.02  # of the time; where reading takes long it is done more seldom

_TRIED_STATES = (TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed)

# A run diverges by its losses, when its accuracy may still be a number. A run has every epoch up to its last one. The
# metric is a column's name, checked when the sweep was posted.
_VALUES_AFTER = """
    SELECT e.trial_id, e.seed, array_agg(
        CASE WHEN e.train_loss IS NOT NULL AND e.val_loss IS NOT NULL THEN e.{metric} END ORDER BY e.epoch)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:epochs AS bigint[])) AS known(trial_id, epoch)
    JOIN epochs e ON e.trial_id = known.trial_id AND e.epoch > known.epoch
    GROUP BY e.trial_id, e.seed
"""


class TrialSnapshot(NamedTuple):
    """A trial that trains or has trained, as its row says at one moment."""

    trial_id: int
    number: int
    state: TrialState
    value: float | None
    started_at: datetime | None  # tells a training from the one before it


Values = Mapping[int, Sequence[float | None]]  # of a trial's epochs, by the seeds of its runs
MAX_CURVES = 2_000  # trials whose curves a server sends in one answer
KnownEpochs = Annotated[Mapping[int, int], Field(max_length=MAX_CURVES)]


class CurveReader(Protocol):
    """Reads what the tables have of a sweep's trials."""

    def trial_snapshots(self, sweep: SweepSetup) -> Sequence[TrialSnapshot]:
        """Its trials that train or have trained. Raises CallError."""
        ...

    def values_after(self, sweep: SweepSetup, known_epochs: KnownEpochs) -> Mapping[int, Values]:
        """Its metric in each later epoch than the known one of a trial, by trial id. Raises CallError."""
        ...


class SweepCurves:
    """The curves of a sweep's trials, whichever worker trains or trained them."""

    def __init__(self, reader: CurveReader, sweep: SweepSetup, *, keep_runs: bool) -> None:
        self._reader, self._sweep = reader, sweep
        self.table = CurveTable(sweep.first_objective, sweep.seeds, max_epochs(sweep), sweep.seed, keep_runs)
        self._snapshots: dict[int, TrialSnapshot] = {}  # by trial id, as of the last refresh
        self._next_refresh_at = -math.inf  # by time.monotonic

    def start_cohort(self, sweep: SweepSetup, trials: Iterable[ClaimedTrial]) -> None:
        """Reads the earlier legs of a cohort's trials, and lets the next refresh read; the space may have grown.

        What is recorded beyond the epoch from which a trial goes on is trained again: where memory was lacking, the
        cohort goes on without a claim that would have dropped it.
        """
        self.table.max_epochs = max_epochs(sweep)
        by_id = {trial.lease.trial_id: trial for trial in trials}
        for trial in by_id.values():
            self.table.forget(trial.number)
        known_epochs = {trial_id: 0 for trial_id, trial in by_id.items() if trial.epochs_trained > 0}
        for trial_id, runs in self._reader.values_after(self._sweep, known_epochs).items():
            trial = by_id[trial_id]
            self.table.add(trial.number, {seed: values[: trial.epochs_trained] for seed, values in runs.items()})
        self._next_refresh_at = -math.inf

    def refresh(self, own_numbers: Mapping[int, int]) -> None:
        """Reads what is new of all trials but those that the worker trains, if it is time.

        Nothing changes while the database is gone. `own_numbers` are the numbers, by id, of the trials whose curves
        come from the training.
        """
        start = time.monotonic()
        if start < self._next_refresh_at:
            return
        try:
            self._read_changes(own_numbers)
        except UnreachableError as error:
            logger.warning("no other trial's curve can be read: %s", error)
        elapsed = time.monotonic() - start
        self._next_refresh_at = start + max(REFRESH_SECONDS, elapsed / REFRESH_SHARE)

    def _read_changes(self, own_numbers: Mapping[int, int]) -> None:
        rows = self._reader.trial_snapshots(self._sweep)
        snapshots = {row.trial_id: row for row in rows if row.trial_id not in own_numbers}
        self._forget_ended_trainings(snapshots, own_numbers)
        changed = [row for row in snapshots.values() if self._may_have_changed(row)]
        known_epochs = {row.trial_id: self._known_epoch(row) for row in changed}
        for trial_id, runs in self._reader.values_after(self._sweep, known_epochs).items():
            self.table.add(snapshots[trial_id].number, runs)
        for row in changed:
            if row.state == TrialState.complete and row.value is not None:
                self.table.complete_values[row.number] = row.value
        self._snapshots = snapshots

    def _forget_ended_trainings(self, snapshots: Mapping[int, TrialSnapshot], own_numbers: Mapping[int, int]) -> None:
        """Drops curves of trials that were given back, were excluded, or train anew, whoever trained them."""
        counting_numbers = {row.number for row in snapshots.values()} | {*own_numbers.values()}
        for number in {*self.table.curves, *self.table.complete_values} - counting_numbers:
            self.table.forget(number)
        for trial_id, row in snapshots.items():
            if trial_id in self._snapshots and self._snapshots[trial_id].started_at != row.started_at:
                self.table.forget(row.number)

    def _may_have_changed(self, snapshot: TrialSnapshot) -> bool:
        return snapshot.state == TrialState.running or self._snapshots.get(snapshot.trial_id) != snapshot

    def _known_epoch(self, snapshot: TrialSnapshot) -> int:
        """The last epoch that the table has of a trial."""
        if snapshot.trial_id not in self._snapshots:  # the worker's own before: read again as it was recorded
            self.table.forget(snapshot.number)
        curve = self.table.curves.get(snapshot.number)
        return 0 if curve is None else curve.last_epoch


class CurveCache:
    """The curves of the sweep that a worker trained last, kept from one cohort to the next."""

    def __init__(self, reader: CurveReader) -> None:
        self._reader = reader
        self._curves: dict[int, SweepCurves] = {}

    def curves_of(self, sweep: SweepSetup, *, keep_runs: bool) -> SweepCurves:
        """The sweep's curves, as far as they were read; with `keep_runs` also the values of single runs."""
        if sweep.id not in self._curves:
            self._curves = {sweep.id: SweepCurves(self._reader, sweep, keep_runs=keep_runs)}
        return self._curves[sweep.id]


def read_snapshots(session: Session, sweep_id: int) -> list[TrialSnapshot]:
    """The sweep's trials that train or have trained, without those that are excluded.

    Left out is what pruners don't judge either: further seeds of a configuration, trials that go on to more epochs, and
    those that took over the results of another one. Their configuration has the curve of its first trial, and counts
    once.
    """
    columns = (Trial.id, Trial.number, Trial.state, Trial.value, Trial.started_at)
    has_trained = or_(Trial.state.in_(_TRIED_STATES), and_(Trial.state == TrialState.waiting, Trial.epochs_trained > 0))
    query = select(*columns).where(Trial.sweep_id == sweep_id, has_trained, ~Trial.excluded)
    took_over = func.coalesce(Trial.reason, "").startswith(TOOK_OVER)
    query = query.where(Trial.first_seed == 0, Trial.continued_from.is_(None), ~took_over)
    return [TrialSnapshot(*row) for row in session.execute(query)]


def read_values_after(session: Session, metric: str, known_epochs: Mapping[int, int]) -> Mapping[int, Values]:
    """The metric of their sweep in each later epoch than the known one of its trial, by trial id and seed.

    It is None where the run diverged.
    """
    bound = {"ids": list(known_epochs), "epochs": list(known_epochs.values())}
    values_by_trial: dict[int, dict[int, Sequence[float | None]]] = {}
    for trial_id, seed, values in session.execute(text(_VALUES_AFTER.format(metric=metric)), bound):
        values_by_trial.setdefault(trial_id, {})[seed] = values
    return values_by_trial

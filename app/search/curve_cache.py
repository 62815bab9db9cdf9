"""What a worker knows of a sweep's learning curves: read from the tables piece by piece, and kept between cohorts."""

import logging
import math
import time
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.db.engine import first_line, is_gone, transaction
from app.db.tables import Sweep
from app.domain.configuration import MLPConfig
from app.domain.pruning.curves import CurveTable
from app.domain.space import parse_space
from app.domain.states import TrialState
from app.search import curve_rows

logger = logging.getLogger(__name__)

READ_SECONDS = 0.5  # as often as other workers write
READ_SHARE = 0.02  # of the time; where reading takes long it is done more seldom


class SweepCurves:
    """The curves of a sweep's trials, whoever trains or trained them, on a board."""

    def __init__(self, engine: Engine, sweep: Sweep, *, keep_runs: bool) -> None:
        self._engine, self._sweep = engine, sweep
        self.board = CurveTable(sweep.direction == "maximize", sweep.seeds, _longest(sweep), sweep.seed, keep_runs)
        self._seen: dict[int, curve_rows.TrialSnapshot] = {}
        self._read_at = -math.inf

    def begin(self, sweep: Sweep, numbers: Collection[int]) -> None:
        """Forgets trials that begin anew here, and reads at the next call; the space may have grown meanwhile."""
        self.board.longest = _longest(sweep)
        for number in numbers:
            self.board.forget(number)
        self._read_at = -math.inf

    def read(self, own: Collection[int]) -> None:
        """Learns what is new of all trials but one's `own`, by id; without the database nothing is."""
        start = time.monotonic()
        if start < self._read_at:
            return
        try:
            self._read(own)
        except DBAPIError as error:
            if not is_gone(error):
                raise
            logger.warning("no other trial's curve, the database is gone: %s", first_line(error))
        took = time.monotonic() - start
        self._read_at = start + max(READ_SECONDS, took / READ_SHARE)

    def _read(self, own: Collection[int]) -> None:
        with transaction(self._engine) as session:
            found = {one.trial_id: one for one in curve_rows.snapshots(session, self._sweep) if one.trial_id not in own}
            for trial_id, before in self._seen.items():
                if trial_id not in own and _began(found.get(trial_id)) != before.started_at:
                    self.board.forget(before.number)  # it was given back, excluded, or trains anew
            new = [one for one in found.values() if self._seen.get(one.trial_id) != one or _trains(one)]
            epochs = {one.trial_id: self._last_epoch(one) for one in new}
            for trial_id, runs in curve_rows.figures_after(session, self._sweep, epochs).items():
                self.board.add(found[trial_id].number, runs)
        for one in new:
            if one.state == TrialState.complete and one.value is not None:
                self.board.complete[one.number] = one.value
        self._seen = found

    def _last_epoch(self, one: curve_rows.TrialSnapshot) -> int:
        if one.trial_id not in self._seen:  # one's own before: read again as it was recorded
            self.board.forget(one.number)
        curve = self.board.curves.get(one.number)
        return 0 if curve is None else curve.last_epoch


class CurveCache:
    """The curves of the sweep that a worker trained last, kept from one cohort to the next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._curves: dict[int, SweepCurves] = {}

    def of(self, sweep: Sweep, *, keep_runs: bool) -> SweepCurves:
        """The sweep's curves, as far as they were read; with `keep_runs` those of single runs too."""
        if sweep.id not in self._curves:
            self._curves = {sweep.id: SweepCurves(self._engine, sweep, keep_runs=keep_runs)}
        return self._curves[sweep.id]


def _longest(sweep: Sweep) -> int:
    """Epochs of the longest training that its space holds."""
    return MLPConfig.from_params(parse_space(sweep.space).largest()).epochs


def _began(one: curve_rows.TrialSnapshot | None) -> datetime | None:
    return None if one is None else one.started_at


def _trains(one: curve_rows.TrialSnapshot) -> bool:
    return one.state == TrialState.running

"""Asks for trials before they are claimed: of samplers that learn nothing at once, of dear ones while a cohort trains.

Why, and from when on: docs/adr/0005-asking-ahead.md.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app.db.engine import first_line, transaction
from app.db.tables import Sweep
from app.domain.sampling import traits_of
from app.search import assignment, history
from app.search.assignment import Suggestion
from app.search.proposals import ExhaustedError, Proposer
from app.search.samplers import Observation

logger = logging.getLogger(__name__)

ENOUGH_KNOWN = 256  # waiting trials with parameters; where there are fewer, twice as many are asked for
OTHERS_SECONDS = 5.0  # in which another worker is done with them, or something is wrong with it


class AskAhead:
    """One thread at a time. What it asks for depends on the trials as they stood at `start` alone."""

    def __init__(self, engine: Engine, stopping: threading.Event) -> None:
        self._engine, self._stopping = engine, stopping
        self._thread: threading.Thread | None = None

    def start(self, sweep: Sweep) -> None:
        """Begins to ask, where that is worth it. The cohort's own trials have their parameters by now."""
        least = traits_of(sweep.sampler).ask_ahead_from
        if least is None or self._thread is not None:
            return
        with transaction(self._engine) as session:
            tried = history.known_rows(session, sweep.id)
            running = sum(one.state == "running" for one in tried)
            ended = sum(one.state not in {"running", "waiting", "infeasible"} for one in tried)
            # as many as the next claim takes: see trial_queue.claim
            trials = assignment.waiting(session, sweep.id, (ended + running) // 2) if ended >= least else []
        if trials:
            given = (sweep, tried, trials)
            self._thread = threading.Thread(target=self._run, args=given, name="asking ahead", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Waits until all is written, so that the next claim finds it; gives up when the worker is told to stop."""
        while self._thread is not None and self._thread.is_alive() and not self._stopping.is_set():
            self._thread.join(0.1)
        self._thread = None

    def _run(self, sweep: Sweep, tried: Sequence[Observation], trials: Sequence[tuple[int, int]]) -> None:
        try:
            with _alone(self._engine, sweep.id) as alone:
                if alone:
                    _ask(self._engine, self._stopping, sweep, tried, trials)
        except DBAPIError as error:
            logger.warning("nothing was asked ahead, the database is gone: %s", first_line(error))
        except Exception:
            logger.exception("sweep %d: nothing was asked ahead", sweep.id)


def fill_next(engine: Engine, stopping: threading.Event) -> None:
    """Asks at once for the next trials of a sampler that learns nothing, so that workers can share them by their cost.

    Where another worker is at it, this one waits for a moment: it would claim trials without a cost. Raises DBAPIError.
    """
    until = time.monotonic() + OTHERS_SECONDS
    while not stopping.is_set():
        with transaction(engine) as session:
            sweep = assignment.without_costs(session, ENOUGH_KNOWN)
        if sweep is None:
            return
        with _alone(engine, sweep.id) as alone:
            if alone:
                _fill(engine, stopping, sweep)
                return
        if time.monotonic() > until or stopping.wait(0.05):
            return


def _fill(engine: Engine, stopping: threading.Event, sweep: Sweep) -> None:
    with transaction(engine) as session:
        tried = history.known_rows(session, sweep.id) if sweep.repeats == "forbid" else []
        trials = assignment.waiting(session, sweep.id, 2 * ENOUGH_KNOWN)
    _ask(engine, stopping, sweep, tried, trials)


def _ask(
    engine: Engine,
    stopping: threading.Event,
    sweep: Sweep,
    tried: Sequence[Observation],
    trials: Sequence[tuple[int, int]],
) -> None:
    started = time.monotonic()
    asker = Proposer(sweep, tried)
    chosen: list[Suggestion] = []
    for trial_id, number in trials:
        if stopping.is_set():
            return
        try:
            chosen.append(Suggestion(trial_id, None, asker.choose(number)))
        except ExhaustedError:
            break  # whoever claims the trial finds the same, and ends the sweep
    if not chosen:
        return
    with transaction(engine) as session:
        assignment.write(session, sweep.id, chosen, asker.infeasible)
    logger.info("asked ahead for %d trials in %.3f s", len(chosen), time.monotonic() - started)


@contextmanager
def _alone(engine: Engine, sweep_id: int) -> Iterator[bool]:
    """Whether no other worker asks ahead for this sweep: they would ask for the same trials.

    The lock is the connection's, so a killed worker holds none.
    """
    name = {"name": f"asking ahead/{sweep_id}"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), name)
        try:
            yield bool(taken)
        finally:
            if taken:
                connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), name)

"""Asks for trials before they are claimed: where the sampler learns nothing, and where asking is expensive.

The second happens while a cohort trains. Why, and from when on: docs/adr/0005-asking-ahead.md.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db.engine import allow_idleness, first_line, is_gone, transaction
from app.db.sweep_setups import setup_of
from app.db.tables import Sweep
from app.domain.sampling import ASKED_AT_ONCE, traits_of
from app.domain.sweep_setup import SweepSetup
from app.search import statements
from app.search.assignment import Suggestion, apply_suggestions
from app.search.history import Observation, observations, read_history
from app.search.proposals import ExhaustedError, Proposer

logger = logging.getLogger(__name__)

MIN_WAITING_WITH_PARAMS = 256  # where fewer trials wait with parameters, twice as many are asked for
MAX_WAIT_SECONDS = 5.0  # in which another worker has asked for them, or something is wrong with it


class OpenTrial(NamedTuple):
    """A waiting trial without parameters."""

    id: int
    number: int


def prepare_asking(
    engine: Engine, stopping: threading.Event, sweep: SweepSetup, max_trials: int
) -> Callable[[], None] | None:
    """Asks, once it is called, for waiting trials of a sweep of which a cohort trains; None where that is not worth it.

    What it asks for depends on the trials as they stand now alone; the cohort's own have their parameters by now.
    `max_trials` is the worker's largest claim.
    """
    min_ended = traits_of(sweep.sampler).ask_ahead_from
    if min_ended is None:
        return None
    with transaction(engine) as session:
        history = read_history(session, sweep)
        # as many as the next claim takes and does not find there: see app.queue.claims
        limit = max(min((history.ended + history.running) // 2, max_trials) - history.ready, 0)
        trials = waiting_without_params(session, sweep.id, limit) if history.ended >= min_ended else []
    return partial(_ask_in_turn, engine, stopping, sweep, history.shown_trials, trials) if trials else None


def _ask_in_turn(
    engine: Engine,
    stopping: threading.Event,
    sweep: SweepSetup,
    history: Sequence[Observation],
    trials: Sequence[OpenTrial],
) -> None:
    try:
        with _turn(engine, sweep.id) as session:
            if session is not None:
                _ask(session, stopping, sweep, history, trials)
    except DBAPIError as error:
        logger.warning("nothing was asked ahead, the database is gone: %s", first_line(error))
    except Exception:
        logger.exception("sweep %d: nothing was asked ahead", sweep.id)


def has_to_ask(session: Session, unaskable: Iterable[int]) -> bool:
    """Whether `ask_ahead_of_claims` finds a sweep whose trials have no parameters."""
    return session.scalar(*_sweep_without_costs(unaskable)) is not None


def ask_ahead_of_claims(engine: Engine, stopping: threading.Event, unaskable: set[int]) -> None:
    """Asks at once for the next trials of a sampler that learns nothing, so that workers can share them by their cost.

    Where another worker is at it, this one waits for a moment: it would claim trials without a cost. Raises DBAPIError
    while the database can't be reached.

    `unaskable`: ids of sweeps for which asking raised an error before; they are passed over, and added to. Whoever
    claims their trials meets the same error, which then counts as an attempt of each.
    """
    until = time.monotonic() + MAX_WAIT_SECONDS
    while not stopping.is_set():
        with transaction(engine) as session:
            sweep_id = session.scalar(*_sweep_without_costs(unaskable))
            sweep = None if sweep_id is None else session.get(Sweep, sweep_id)
        if sweep is None:
            return
        try:
            with _turn(engine, sweep.id) as session:
                if session is not None:
                    _ask_at_once(session, stopping, setup_of(sweep))
                    return
        except Exception as error:
            if isinstance(error, DBAPIError) and is_gone(error):
                raise
            logger.exception("sweep %d: nothing was asked ahead", sweep.id)
            unaskable.add(sweep.id)
            return
        if time.monotonic() > until or stopping.wait(0.05):
            return


def waiting_without_params(session: Session, sweep_id: int, limit: int) -> list[OpenTrial]:
    """The next trials of the sweep for which the sampler was not asked yet, in the order in which they are claimed."""
    rows = session.execute(statements.WITHOUT_PARAMS, {"sweep": sweep_id, "limit": limit})
    return [OpenTrial(*row) for row in rows]


def _sweep_without_costs(unaskable: Iterable[int]) -> tuple[TextClause, dict[str, Any]]:
    """Selects a sweep whose sampler learns nothing, with fewer than MIN_WAITING_WITH_PARAMS trials with parameters."""
    limits = {"enough": MIN_WAITING_WITH_PARAMS, "samplers": list(ASKED_AT_ONCE), "unaskable": list(unaskable)}
    return statements.SWEEP_WITHOUT_COSTS, limits


def _ask_at_once(session: Session, stopping: threading.Event, sweep: SweepSetup) -> None:
    """Asks for the sweep's next trials."""
    history = observations(session, sweep.id) if sweep.repeats == "forbid" else []
    trials = waiting_without_params(session, sweep.id, 2 * MIN_WAITING_WITH_PARAMS)
    _ask(session, stopping, sweep, history, trials)


def _ask(
    session: Session,
    stopping: threading.Event,
    sweep: SweepSetup,
    history: Sequence[Observation],
    trials: Sequence[OpenTrial],
) -> None:
    """Asks for the trials in their order, and writes all at the end; nothing where the worker is told to stop."""
    started = time.monotonic()
    proposer = Proposer(sweep, history)
    suggestions: list[Suggestion] = []
    for trial in trials:
        if stopping.is_set():
            return
        try:
            suggestions.append(Suggestion(trial.id, None, proposer.propose(trial.number)))
        except ExhaustedError:
            break  # whoever claims the trial finds the same, and ends the sweep
    if not suggestions:
        return
    apply_suggestions(session, sweep.id, suggestions, proposer.infeasible)
    logger.info("asked ahead for %d trials in %.3f s", len(suggestions), time.monotonic() - started)


@contextmanager
def _turn(engine: Engine, sweep_id: int) -> Iterator[Session | None]:
    """A transaction in which no other worker asks ahead for this sweep; None where another one does.

    They would ask for the same trials. It locks nothing else while the sampler thinks, so that may take its time.
    """
    name = {"name": f"asking ahead/{sweep_id}"}
    with transaction(engine) as session:
        allow_idleness(session)
        is_ours = session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), name)
        yield session if is_ours else None

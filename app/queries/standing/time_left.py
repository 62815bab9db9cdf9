"""How long a sweep still takes: the least of its work, its time limit, and its patience without a better trial."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.db.tables import Sweep
from app.domain.states import ENDED_SWEEPS, SweepState
from app.lifecycle import stop_rules
from app.queries.standing.facts import SweepFacts
from app.schemas.sweeps import EtaBy

# The share of its work that a sweep has to do until its own speed counts as much as the estimate before it began.
ESTIMATE_WEIGHT = 0.05
# Without an estimate, the share that tells a speed: of less, most is what a training takes to begin.
LEAST_SHARE = 0.02


class TimeLeft(NamedTuple):
    """Seconds, and what they follow from."""

    seconds: float
    by: EtaBy


def times_left(session: Session, sweeps: Sequence[Sweep], facts: Mapping[int, SweepFacts]) -> dict[int, TimeLeft]:
    """How long these sweeps still take, by id, with their facts. What nobody knows is left out."""
    bounds = {
        sweep.id: list(_bounds(session, sweep, facts[sweep.id]))
        for sweep in sweeps
        if sweep.id in facts and sweep.state not in ENDED_SWEEPS
    }
    return {sweep_id: min(times) for sweep_id, times in bounds.items() if times}


def work_seconds(row: Row[Any], trained: float, trial_seconds: float | None) -> float | None:
    """Seconds for the work that is left: by those that the work so far took, and at first by the estimate.

    `trained` seconds were spent on what is done; `trial_seconds` was estimated of a trial of mean cost.
    """
    total = row.work_done + row.work_left
    share = row.work_done / total if total else 0.0
    if trial_seconds is None:
        return trained * (1 - share) / share if trained and share >= LEAST_SHARE else None
    estimate = trial_seconds * total / row.mean_cost
    return float((trained + ESTIMATE_WEIGHT * estimate) * (1 - share) / (share + ESTIMATE_WEIGHT))


def _bounds(session: Session, sweep: Sweep, facts: SweepFacts) -> Iterator[TimeLeft]:
    row = facts.totals
    work = work_seconds(row, facts.trained_seconds, sweep.trial_seconds)
    if work is not None and sweep.state != SweepState.paused:
        yield TimeLeft(work, "work")
    if sweep.state == SweepState.stopping:
        return
    if limit := sweep.stop_rules.get("seconds"):
        yield TimeLeft(max(0.0, limit - _passed(session, sweep)), "seconds")
    patience = sweep.stop_rules.get("no_improvement")
    trials_left = row.waiting + row.running
    if patience and work is not None and trials_left and sweep.state == SweepState.running:
        since = stop_rules.trials_since_best(session, sweep)
        if since is not None:
            yield TimeLeft(work * min(1.0, max(0, patience - since) / trials_left), "no_improvement")


def _passed(session: Session, sweep: Sweep) -> float:
    """The seconds that count against the time limit."""
    if sweep.started_at is None:
        return 0.0
    return float(session.scalars(select(stop_rules.passed_seconds(sweep))).one())

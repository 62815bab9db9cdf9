"""A search by the service: a sweep is posted, watched for a while, and cancelled."""

import time
from time import perf_counter

from sqlalchemy import Engine, text

from app.db.engine import transaction
from benchmarks.search.problems import Arm, Problem
from benchmarks.search.trace import Trace
from benchmarks.service import POLL_SECONDS, Perceptune

_PROGRESS = text("""
    SELECT count(*) AS epochs, count(DISTINCT e.trial_id) AS configurations, max(e.val_accuracy) AS accuracy
    FROM epochs e JOIN trials t ON t.id = e.trial_id WHERE t.sweep_id = :sweep
""")


def search(problem: Problem, name: str, arm: Arm, seed: int, seconds: float, running: Perceptune) -> Trace:
    """The sweep until its time is up and it has something to show, or it has ended; the clock starts with the POST."""
    trace = Trace(name, arm, seed)
    start = perf_counter()
    sweep_id = running.post(problem.sweep(arm, seed))
    has_ended = False
    while not has_ended and (perf_counter() - start < seconds or not trace.configurations):
        time.sleep(POLL_SECONDS)
        has_ended = running.state(sweep_id) == "completed"
        _look(running.engine, sweep_id, trace, perf_counter() - start)
    running.clear(sweep_id)
    return trace


def _look(engine: Engine, sweep_id: int, trace: Trace, seconds: float) -> None:
    """Notes how far the sweep has come, from its database, which takes less from the workers than all its trials."""
    with transaction(engine) as session:
        row = session.execute(_PROGRESS, {"sweep": sweep_id}).one()
    trace.epochs, trace.configurations = max(trace.epochs, row.epochs), max(trace.configurations, row.configurations)
    trace.seconds = seconds
    if row.accuracy is not None:
        trace.note(seconds, 1 - row.accuracy)

"""What indexes tell of a sweep, beside the plain way, which looks at all of its trials, on random histories."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep
from app.lifecycle import best, stop_rules
from tests.support.queue_examples import create_grid

TRIALS, HISTORIES = 12, 60
STATES = [
    "waiting",
    "waiting",
    "running",
    "complete",
    "complete",
    "complete",
    "pruned",
    "failed",
    "failed",
    "cancelled",
]

_WRITE = text("""
    UPDATE trials SET configuration = :configuration, excluded = :excluded, enqueued = :enqueued, attempt = :attempt,
           state = CAST(:state AS trial_state), rung = :rung, rung_means = CAST(:means AS float8[]), value = :value,
           error = CASE WHEN :state = 'failed' THEN 'error ' || number END,
           finished_at = CASE WHEN :state NOT IN ('waiting', 'running') THEN now() END,
           lease_token = CASE WHEN :state = 'running' THEN gen_random_uuid() END,
           lease_until = CASE WHEN :state = 'running' THEN now() + interval '1 hour' END
    WHERE sweep_id = :sweep AND number = :number
""")
_DIVERGE = text("""
    INSERT INTO runs (trial_id, seed, state, error, seconds)
    SELECT id, 0, 'diverged', 'diverged', 1 FROM trials WHERE sweep_id = :sweep AND number = :number
""")
_NUMBERS = text("SELECT id, number FROM trials WHERE sweep_id = :sweep")


def some_trial(chance: random.Random, number: int) -> dict[str, Any]:
    """One of few configurations, with one of few values; one of an earlier version may have none."""
    state = chance.choice(STATES)
    has_reached_rung = state == "waiting" and chance.random() < 0.3
    return {
        "number": number,
        "state": state,
        "value": chance.choice([0.1, 0.2, 0.3]) if state in ("complete", "pruned") else None,
        "configuration": chance.choice([None, *"abcdef"]),
        "excluded": chance.random() < 0.15,
        "enqueued": chance.random() < 0.1,
        "attempt": chance.choice([0, 1, 2]),
        "means": [0.5] if has_reached_rung else [],
        "rung": 0 if has_reached_rung and chance.random() < 0.5 else None,
        "diverged": state == "failed" and chance.random() < 0.5,
    }


@contextmanager
def stored(engine: Engine, sweep: int, trials: Sequence[dict[str, Any]]) -> Iterator[Session]:
    """A transaction in which the sweep's trials are these, and which is rolled back."""
    with Session(engine) as session:
        session.execute(_WRITE, [trial | {"sweep": sweep} for trial in trials])
        for trial in trials:
            if trial["diverged"]:
                session.execute(_DIVERGE, {"sweep": sweep, "number": trial["number"]})
        session.flush()
        yield session
        session.rollback()


def histories(seed: int) -> Iterator[list[dict[str, Any]]]:
    chance = random.Random(seed)
    for _ in range(HISTORIES):
        yield [some_trial(chance, number) for number in range(TRIALS)]


def plain_top(trials: Sequence[dict[str, Any]], sign: int) -> list[int]:
    """The first trials of all configurations, the best first."""
    first: dict[Any, dict[str, Any]] = {}
    for trial in trials:
        if trial["state"] == "complete" and not trial["excluded"]:
            first.setdefault(trial["configuration"] or trial["number"], trial)
    lost = {trial["configuration"] for trial in trials if trial["diverged"] and not trial["excluded"]} - {None}
    ranked = sorted((sign * trial["value"], trial["number"]) for key, trial in first.items() if key not in lost)
    return [number for _, number in ranked]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("best_by", "seeds"), [("mean", 1), ("expected", 1), ("expected", 2)])
def test_the_top_is_that_of_all_configurations(engine: Engine, direction: str, best_by: str, seeds: int) -> None:
    """Equal values, repeated configurations, runs that diverged, and trials that were excluded, or have no hash."""
    objective = {"metric": "val_loss", "direction": direction}
    sweep = create_grid(engine, *range(1, TRIALS + 1), objective=objective, best_by=best_by, seeds=seeds)
    sign = -1 if direction == "maximize" else 1
    for trials in histories(seed=1):
        with stored(engine, sweep, trials) as session:
            numbers = {row.id: row.number for row in session.execute(_NUMBERS, {"sweep": sweep})}
            for count in (1, 3, TRIALS):
                top = [numbers[trial_id] for trial_id in best.top_ids(session, sweep, count)]
                assert top == plain_top(trials, sign)[:count]


def plain_streak(trials: Sequence[dict[str, Any]]) -> list[int]:
    """The numbers of the longest row of failed trials, of equally long ones the first."""
    tried = [trial for trial in trials if trial["state"] not in ("waiting", "cancelled") or trial["means"]]
    tried = [trial for trial in tried if trial["state"] != "cancelled"]
    rows = [[*row] for has_failed, row in groupby(tried, lambda trial: trial["state"] == "failed") if has_failed]
    return max(([trial["number"] for trial in row] for row in rows), key=len, default=[])


def plain_reason(trials: Sequence[dict[str, Any]], failures: int) -> str | None:
    """How the words of the rule begin where it holds."""
    if any(t["enqueued"] and t["state"] in ("waiting", "running") and t["rung"] is None for t in trials):
        return None
    streak = plain_streak(trials)
    if len(streak) < failures:
        return None
    return f"failures: trials {streak[0]} to {streak[-1]} failed, "


def test_failures_in_a_row_are_those_of_all_trials(engine: Engine) -> None:
    """Between them may be what waits or was cancelled, and no rule holds while a trial of the user's own is live."""
    sweep = create_grid(engine, *range(1, TRIALS + 1), stop={"failures": 2})
    seen: set[bool] = set()
    for trials in histories(seed=2):
        with stored(engine, sweep, trials) as session:
            row = session.get_one(Sweep, sweep)
            stop_rules.apply(session, row)
            expected = plain_reason(trials, failures=2)
            assert (row.stop_reason or "").startswith(expected or "")
            assert (row.stop_reason is None) == (expected is None)
            seen.add(expected is None)
    assert seen == {True, False}

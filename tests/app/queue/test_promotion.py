"""Promotion as the database computes it: as app.domain.pruning.promotion says, without a row fetched for it."""

import random
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from app.db.engine import transaction
from app.db.tables import Sweep
from app.domain.pruning.promotion import RungRecord, promoted_ids
from app.lifecycle import rungs
from tests.support.queue_examples import BODY, create_sweep

TRIALS = 60
WRITE = text("""
    UPDATE trials SET params = '{}', cost = 1, epochs_total = 1,
           state = CAST(:state AS trial_state), bracket = :bracket, rung_means = CAST(:means AS float8[]), rung = :rung,
           excluded = :excluded, value = CASE WHEN :state IN ('complete', 'pruned') THEN 0.5 END,
           error = CASE WHEN :state = 'failed' THEN 'diverged' END,
           finished_at = CASE WHEN :state NOT IN ('waiting', 'running') THEN now() END,
           lease_token = CASE WHEN :state = 'running' THEN gen_random_uuid() END,
           lease_until = CASE WHEN :state = 'running' THEN now() + interval '1 hour' END
    WHERE sweep_id = :sweep AND number = :number
""")
GONE_ON = text("SELECT number FROM trials WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL")


def some_trial(chance: random.Random, number: int) -> dict[str, Any]:
    """A trial that has come to a rung: it waits there, has gone on, or has ended in one way or another."""
    means = [chance.choice([0.1, 0.2, 0.3, 0.4, chance.random()]) for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))]
    state = chance.choice(["waiting"] * 6 + ["running", "complete", "pruned", "failed", "cancelled"])
    rung = len(means) - 1 if state == "waiting" else None
    place = {"number": number, "bracket": chance.choice([0, 0, 1]), "rung": rung}
    return place | {"means": means, "state": state, "excluded": chance.random() < 0.1}


@pytest.mark.parametrize(("seed", "metric"), [(1, "val_accuracy"), (2, "val_loss"), (3, "val_accuracy")])
def test_the_database_promotes_whom_the_rules_promote(engine: Engine, seed: int, metric: str) -> None:
    """Two brackets, equal means, trials that were excluded, cancelled or failed; one that trains is still to come."""
    chance = random.Random(seed)
    pruner = {"name": "hyperband", "min_resource": 1, "reduction_factor": 3, "bootstrap_count": seed}
    space = BODY["space"] | {"epochs": 27}
    objective = {"metric": metric, "direction": "maximize" if metric == "val_accuracy" else "minimize"}
    sweep_id = create_sweep(engine, space=space, n_trials=TRIALS + 1, pruner=pruner, objective=objective)
    trials = [some_trial(chance, number) for number in range(TRIALS)]
    selected: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _, __, statement, *___: selected.append(statement))
    with transaction(engine) as session:
        session.execute(WRITE, [trial | {"sweep": sweep_id} for trial in trials])
        selected.clear()
        rungs.settle(session, [sweep_id])
        assert not [statement for statement in selected if "SELECT trials.id" in statement]
        waiting_before = {trial["number"] for trial in trials if trial["rung"] is not None}
        promoted = waiting_before & set(session.scalars(GONE_ON, {"sweep": sweep_id}))
        sweep = session.get_one(Sweep, sweep_id)
        halving = rungs.halving_pruner(sweep)
        assert halving is not None
        expected = promoted_ids(
            halving, sweep.first_objective, [*map(_record, filter(_counts, trials))], is_final=False
        )
    assert promoted == set(expected)
    assert 0 < len(promoted) < len(waiting_before)


def _counts(trial: dict[str, Any]) -> bool:
    return not trial["excluded"] and trial["state"] != "cancelled"


def _record(trial: dict[str, Any]) -> RungRecord:
    """With its number in place of its id."""
    number = trial["number"]
    return RungRecord(number, number, trial["bracket"], tuple(trial["means"]), trial["rung"])

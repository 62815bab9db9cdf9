"""What is done while a sweep is locked, and all who write to it wait: as little as can be, however large it is."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from app import queue
from app.db import trial_rows
from app.db.engine import connect, transaction
from app.db.tables import Run
from app.queue.legs import TrialCheckpoint
from app.search.assignment import assign_params
from tests.app.queue.test_fleet import entries_read, statements_under_lock
from tests.support.queue_examples import (
    checkpointed_ids,
    claim,
    create_grid,
    create_sweep,
    finish,
    halved,
    new_worker,
    setup_of,
    states,
    success,
)

TRIALS = 20_000  # that have ended
ONE_THEN_THREE = {"first": 1, "survivors": 3}


def lock_beside(engine: Engine) -> None:
    """Locks all sweeps in a transaction of its own. Raises OperationalError where one is locked already."""
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM sweeps FOR UPDATE NOWAIT"))


def stored_weights(engine: Engine) -> dict[int, bytes | None]:
    """By trial id."""
    with transaction(engine) as session:
        rows = session.execute(select(Run.trial_id, Run.weights).where(Run.weights.is_not(None)))
        return {row.trial_id: row.weights for row in rows}


@pytest.mark.parametrize(
    "body",
    [{"best_by": "mean"}, {"best_by": "expected"}, {"seeds": ONE_THEN_THREE}],
    ids=["mean", "expected", "survivors"],
)
def test_the_end_of_a_trial_reads_few_others(engine: Engine, database_url: str, body: dict[str, Any]) -> None:
    """Also where some were trained again, so that the best is that of pooled configurations, and some have failed."""
    sweep = create_grid(engine, 4, 5, **body)
    with transaction(engine) as session:
        session.execute(_MANY_ENDED, {"trials": TRIALS})
    assert _read_by_the_end(engine, database_url, sweep, value=0.1) < TRIALS / 5


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_end_of_the_best_trial_reads_few_others(engine: Engine, database_url: str, direction: str) -> None:
    """Where none was trained again the best ones are told by an index, and so is whether many failed in a row."""
    objective = {"metric": "val_loss", "direction": direction}
    sweep = create_grid(engine, 4, 5, objective=objective, stop={"failures": 300})
    with transaction(engine) as session:
        session.execute(_MANY_ENDED, {"trials": TRIALS})
        session.execute(text("UPDATE trials SET first_seed = 0, configuration = md5(CAST(number AS text))"))
    value = 2.0 if direction == "maximize" else -1.0
    assert _read_by_the_end(engine, database_url, sweep, value) < TRIALS / 5


def _read_by_the_end(engine: Engine, database_url: str, sweep: int, value: float) -> int:
    """How many entries of indexes and rows are read as a trial ends."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    alone = connect(database_url, pool_size=1, max_overflow=0)  # each connection counts what it reads
    worker = new_worker(alone)
    trial, *_ = claim(alone, worker)
    before = entries_read(alone)
    assert len(finish(alone, sweep, worker, [success(trial.lease, value)])) == 1
    read = entries_read(alone) - before
    alone.dispose()
    return read


# Every hundredth one trains the configuration of the one before it again, and every fiftieth one has failed.
_MANY_ENDED = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, error, finished_at, configuration,
                        first_seed)
    SELECT sweeps.id, 1 + n, CAST(CASE WHEN n % 50 = 1 THEN 'failed' ELSE 'complete' END AS trial_state),
           '{"hidden_units": 4}', 1, 2, CASE WHEN n % 50 <> 1 THEN CAST(n AS float8) / :trials END,
           CASE WHEN n % 50 = 1 THEN 'an error' END, now(),
           md5(CAST(CASE WHEN n % 100 = 0 THEN n - 1 ELSE n END AS text)), CAST(n % 100 = 0 AS int)
    FROM sweeps, generate_series(1, :trials) AS n
""")


def test_what_is_stored_with_a_result_is_made_before_the_lock(engine: Engine) -> None:
    """Of what is likely to be among the best, and of nothing else."""
    sweep, worker = create_grid(engine, *range(1, 7)), new_worker(engine)
    trials = claim(engine, worker)
    made_weights: list[int] = []
    made_checkpoints: list[int] = []

    def make_weights(trial_id: int) -> Mapping[int, bytes]:
        lock_beside(engine)
        made_weights.append(trial_id)
        return {0: b"weights"}

    def make_checkpoint(trial_id: int) -> TrialCheckpoint:
        lock_beside(engine)
        made_checkpoints.append(trial_id)
        return TrialCheckpoint(next(t.lease for t in trials if t.lease.trial_id == trial_id), 2, 2, b"checkpoint")

    values = [0.5, 0.9, 0.6, 0.7, 0.4]
    results = [success(trial.lease, value) for trial, value in zip(trials, values, strict=False)]
    for part in (results[:4], results[4:]):
        with transaction(engine) as session:
            queue.finish(session, sweep, worker, part, make_weights, make_checkpoint)
    ids = [trial.lease.trial_id for trial in trials]
    assert made_weights == [ids[1]]
    assert made_checkpoints == [ids[1], ids[3], ids[2]]
    assert (stored_weights(engine), checkpointed_ids(engine)) == (
        {ids[1]: b"weights"},
        sorted([ids[1], ids[3], ids[2]]),
    )


@pytest.mark.parametrize("other_value", [0.3, 0.9])
def test_what_others_have_done_meanwhile_counts(engine: Engine, other_value: float) -> None:
    """While a worker makes the weights of what would be the best, another one's better trial ends: none are stored."""
    sweep, worker = create_grid(engine, 1, 2, 3), new_worker(engine)
    (mine, others, _) = claim(engine, worker)

    def make_weights(_: int) -> Mapping[int, bytes]:
        with transaction(engine) as session:
            queue.finish(session, sweep, worker, [success(others.lease, other_value)], lambda _: {0: b"other"})
        return {0: b"mine"}

    with transaction(engine) as session:
        queue.finish(session, sweep, worker, [success(mine.lease, 0.5)], make_weights)
    own = {mine.lease.trial_id: b"mine"} if other_value < 0.5 else {}
    assert stored_weights(engine) == own | {others.lease.trial_id: b"other"}


def test_weights_that_were_not_likely_to_be_wanted_are_made_all_the_same(engine: Engine) -> None:
    """Somebody has asked for the model of a trial that is not the best."""
    sweep, worker = create_grid(engine, 1, 2, 3), new_worker(engine)
    first, second, _ = claim(engine, worker)
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET model_wanted = true WHERE id = :id"), {"id": second.lease.trial_id})
    finish(engine, sweep, worker, [success(first.lease, 0.9)])
    finish(engine, sweep, worker, [success(second.lease, 0.1)])
    assert stored_weights(engine).keys() == {first.lease.trial_id, second.lease.trial_id}


def test_nothing_is_made_of_a_trial_that_was_lost(engine: Engine) -> None:
    """Neither before the lock nor under it."""
    sweep, worker = create_grid(engine, 1, 2), new_worker(engine)
    first, _ = claim(engine, worker)
    finish(engine, sweep, worker, [success(first.lease, 0.2)])
    with transaction(engine) as session:
        late = [success(first.lease, 0.9)]
        assert queue.finish(session, sweep, worker, late, lambda _: pytest.fail("made")) == set()


def test_configurations_are_measured_before_the_lock(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they cost, and by which hash equal ones are found; those of infeasible draws too."""
    body = {"space": {"hidden_units": {"low": 1, "high": 1000}, "epochs": 2}, "constraints": ["hidden_units < 500"]}
    sweep, worker = create_sweep(engine, n_trials=8, seed=4, **body), new_worker(engine)
    measure = trial_rows.trial_size

    def measure_while_others_lock(*arguments: Any) -> Any:
        lock_beside(engine)
        return measure(*arguments)

    monkeypatch.setattr(trial_rows, "trial_size", measure_while_others_lock)
    assert len(assign_params(engine, setup_of(engine, sweep), claim(engine, worker))) == 8
    assert "infeasible" in states(engine, sweep)


def test_brackets_are_counted_before_the_lock(engine: Engine) -> None:
    """By whoever has its turn to claim; so each claim sees what the one before it took."""
    pruner = {"name": "hyperband", "min_resource": 1, "max_resource": 9, "reduction_factor": 3}
    halved(engine, 12, pruner=pruner)
    worker, brackets = new_worker(engine), []
    with statements_under_lock(engine) as sent:
        trials = claim(engine, worker, 4)
    assert not [statement for statement in sent if "GROUP BY bracket" in statement]
    while trials:
        brackets.append(trials[0].rung_epoch)
        trials = claim(engine, worker, 2)
    assert len(set(brackets)) > 1

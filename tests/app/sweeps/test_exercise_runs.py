from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text

from app.db.engine import transaction
from app.db.tables import Sweep
from app.errors import InvalidError, NotFoundError
from app.exercises.exercise import Exercise
from app.exercises.registry import EXERCISES
from app.sweeps.exercises import measuring, reports, results, runs, tries
from tests.support.queue_examples import claim, finish, new_worker, record, success
from tests.support.waiting import wait_until

ALL = pytest.mark.parametrize("entry", EXERCISES.values(), ids=lambda entry: str(entry.number))


@ALL
def test_before_anything_is_trained_there_is_no_answer(engine: Engine, entry: Exercise) -> None:
    """The page says so, every chart is an empty figure, and the report can be written."""
    with transaction(engine) as session:
        run = runs.start(session, entry.number, "quick")
        answer = results.view(session, run).answer
        assert (answer.sentence, answer.final, answer.findings) == (results.NO_ANSWER, False, [])
        assert answer.progress.startswith("0 of ")
        assert [len(figure.data) for figure in results.figures(session, run)] == [0] * len(entry.charts)
        assert escape(entry.question) in reports.report(session, run)


def test_a_run_whose_sweep_was_deleted_says_so(engine: Engine) -> None:
    """It has no answer any more, and no chart, as long as another sweep of it is there."""
    with transaction(engine) as session:
        run = runs.start(session, 1, "quick")
        sweep = runs.sweeps_of(session, run)[0]
        sweep.exercise_sweep = "of an earlier version"
        session.flush()
        assert "its sweep width was deleted" in results.view(session, run).answer.sentence
        with pytest.raises(NotFoundError, match="width was deleted"):
            results.figures(session, run)


def test_the_report_of_all_has_every_exercise(engine: Engine) -> None:
    """Those that have not been run say so."""
    with transaction(engine) as session:
        runs.start(session, 1, "quick")
        report = reports.report_of_all(session)
    assert report.count("<section ") == len(EXERCISES)
    assert report.count("has not been run yet") == len(EXERCISES) - 1


def test_what_all_sweeps_share_is_said_once(engine: Engine) -> None:
    """The versions of a run of several sweeps, in which each one has a name."""
    with transaction(engine) as session:
        run = runs.start(session, 9, "quick")
        runs.sweeps_of(session, run)[0].started_at = datetime.now(UTC)
        facts = reports.provenance(session, run)
    own_facts = [fact.text for fact in facts if fact.name == "Sweep"]
    assert ["; started 20" in text for text in own_facts] == [True, False], "each sweep has one line"
    names = [fact.name for fact in facts]
    assert (names[0], names.count("Versions"), names.count("Sweep")) == ("Preset", 1, 2)
    assert next(fact.text for fact in facts if fact.name == "Versions").count("perceptune") == 1


def test_what_a_reader_tries_is_one_more_network_each(engine: Engine) -> None:
    """A value that was tried is not trained again, and the run's answer and state are as before."""
    with transaction(engine) as session:
        run = runs.start(session, 1, "quick")
        before = results.revision(session, run)
        for value in (37, 90, 37):
            sweep = tries.add(session, run, value)
        assert [trial.params["hidden_units"] for trial in tries.trials(session, run)] == [37, 90]
        assert (sweep.seeds, sweep.space["epochs"]) == (1, 5)
        assert results.revision(session, run) != before
        assert list(measuring.measurements(session, run)) == ["width"]
        assert runs.summaries(session, 1)[0].sweeps == [sweep.id - 1]
        for bad in ("many", 0, 10**9):
            with pytest.raises(InvalidError):
                tries.add(session, run, bad)


def test_two_first_tries_at_once_are_of_one_sweep(engine: Engine) -> None:
    """The second one waits for the first and adds its value."""

    def add(value: int) -> int:
        with transaction(engine) as session:
            return tries.add(session, runs.get(session, 1, run_id), value).id

    def is_waiting() -> bool:
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with engine.connect() as connection:
            return connection.execute(text(waiting)).first() is not None

    with transaction(engine) as session:
        run_id = runs.start(session, 1, "quick").id
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as session:
            sweep = tries.add(session, runs.get(session, 1, run_id), 37).id
            second = pool.submit(add, 90)
            wait_until(lambda: second.done() or is_waiting())
        assert second.result(30) == sweep
    with transaction(engine) as session:
        tried = tries.trials(session, runs.get(session, 1, run_id))
        assert {trial.params["hidden_units"] for trial in tried} == {37, 90}


def test_all_exercises_wait_in_their_order(engine: Engine) -> None:
    """Behind other sweeps, and one exercise after the other."""
    with transaction(engine) as session:
        runs.start_all(session, "quick")
        priorities = [
            {sweep.priority for sweep in runs.sweeps_of(session, run)}
            for number in EXERCISES
            if (run := runs.latest(session, number)) is not None
        ]
    assert len(priorities) == len(EXERCISES)
    assert max(priorities[0]) < 0
    assert all(min(first) > max(second) for first, second in pairwise(priorities))


def test_longer_training_changes_no_answer(engine: Engine, client: TestClient) -> None:
    """Of an exercise's sweep: what goes on to more epochs is not what the exercise compares."""
    with transaction(engine) as session:
        run_id = runs.start(session, 4, "quick").id
        sweep = session.scalars(select(Sweep.id).where(Sweep.exercise_run_id == run_id)).one()
    worker = new_worker(engine)
    claimed = claim(engine, worker)
    for epoch in range(1, 9):
        record(engine, sweep, [trial.lease for trial in claimed], epoch)
    finish(engine, sweep, worker, [success(trial.lease, 0.5 + trial.number / 100) for trial in claimed])
    with transaction(engine) as session:
        before = measuring.measurements(session, runs.get(session, 4, run_id))
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/5/continue", json={"epochs": 12}).is_success
    (longer,) = claim(engine, worker)
    for epoch in range(1, 13):
        record(engine, sweep, [longer.lease], epoch)
    finish(engine, sweep, worker, [success(longer.lease, 0.99)])
    with transaction(engine) as session:
        (data,) = measuring.measurements(session, runs.get(session, 4, run_id)).values()
    assert (data.trials, data.epochs) == (before["rate"].trials, before["rate"].epochs)
    assert len(data.epochs) == 8 * len(data.trials)
    assert data.sweep.best is not None
    assert (data.sweep.best.number, data.sweep.best.value) == (5, 0.55)

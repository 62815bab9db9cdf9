"""Deletion in pieces, and retention: what goes at once, what goes later, and what is kept."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db.engine import connect, transaction
from app.errors import InvalidError
from app.queries import workers
from app.queue import retraining
from app.sweeps import deletion, previews, retention
from app.web import upkeep
from tests.support.queue_examples import claim, complete, create_grid, create_sweep, new_worker, record, trials_of
from tests.support.waiting import wait_until

ROWS = ("trials", "runs", "epochs", "deleted_sweeps")


def ended_grid(engine: Engine, trials: int = 3, **changes: Any) -> int:
    """A completed sweep, with an epoch and a run of each trial."""
    sweep, worker = create_grid(engine, *range(1, trials + 1), **changes), new_worker(engine)
    while claimed := claim(engine, worker):
        record(engine, sweep, [trial.lease for trial in claimed])
        complete(engine, sweep, worker, claimed)
    return sweep


def rows(engine: Engine) -> list[int]:
    """How many there are of each kind."""
    with transaction(engine) as session:
        return [session.scalars(text(f"SELECT count(*) FROM {table}")).one() for table in ROWS]


def clear_piece(engine: Engine) -> bool:
    with transaction(engine) as session:
        return deletion.clear_piece(session, 2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces, and a server that looks often."""
    monkeypatch.setattr(deletion, "PIECE", 2)
    monkeypatch.setattr(upkeep, "CLEARING_SECONDS", 0.05)


def test_a_sweep_is_gone_at_once(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all its trials are still there no answer tells of it, and none is trained again; the server clears them."""
    other, sweep, worker = ended_grid(engine, 1), ended_grid(engine, 5), new_worker(engine)
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET weights = NULL"))
        session.execute(text("UPDATE trials SET retrain_at = now() WHERE sweep_id = :sweep"), {"sweep": sweep})
    with monkeypatch.context() as nothing_cleared:
        nothing_cleared.setattr(deletion, "clear_piece", lambda *_: False)
        assert client.delete(f"/api/v1/sweeps/{sweep}").status_code == 204
        assert rows(engine) == [6, 6, 6, 1]
        assert [item["id"] for item in client.get("/api/v1/sweeps").json()["items"]] == [other]
        assert client.get(f"/api/v1/sweeps/{sweep}").status_code == 404
        assert 'perceptune_trials{state="complete"} 1.0' in client.get("/metrics").text
        with transaction(engine) as session:
            assert retraining.claim(session, worker, 30) is None
    wait_until(lambda: rows(engine) == [1, 1, 1, 0])
    assert trials_of(engine, other)[0].value is not None


def test_its_trials_go_in_small_transactions(engine: Engine) -> None:
    """Whoever is interrupted has removed what it has; the next process goes on with the rest."""
    sweep = ended_grid(engine, 5)
    with transaction(engine) as session:
        deletion.delete(session, sweep)
    left = []
    while clear_piece(engine):
        left.append(rows(engine))
    assert left == [[3, 3, 3, 1], [1, 1, 1, 1], [0, 0, 0, 0]]


def test_whoever_deletes_a_sweep_leaves_nothing_for_ever(engine: Engine) -> None:
    """Also a statement by hand: what it leaves is cleared, and what waits of it for a worker holds up nobody."""
    other, sweep, worker = ended_grid(engine, 1), ended_grid(engine, 3), new_worker(engine)
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET weights = NULL"))
        session.execute(text("UPDATE trials SET retrain_at = now()"))
        session.execute(text("DELETE FROM sweeps WHERE id = :sweep"), {"sweep": sweep})
        waiting = session.scalars(text("SELECT sweep_id FROM trials WHERE retrain_at IS NOT NULL"))
        assert waiting.all() == [other]
        session.execute(text("UPDATE trials SET retrain_at = now() - interval '1 s' * sweep_id"))  # none the less
    with transaction(engine) as session:
        retraining_of_other = retraining.claim(session, worker, 30)
        assert retraining_of_other is not None
        assert retraining_of_other.sweep.id == other
        assert retraining.claim(session, worker, 30) is None
    while clear_piece(engine):
        pass
    assert rows(engine) == [1, 1, 1, 0]


def test_what_a_deleted_sweep_has_left_hides_no_speed(engine: Engine) -> None:
    """Workers and estimates go by the newest trials of those sweeps that are there."""
    ended_grid(engine, 2)
    sweep = create_sweep(engine)
    with transaction(engine) as session:
        deletion.delete(session, sweep)
        session.execute(text(LEFT_TRIALS), {"sweep": sweep})
        session.execute(text("UPDATE trials SET started_at = finished_at - interval '10 s'"))
    with transaction(engine) as session:
        assert previews.measured_speed(session).trials == 2
        assert [worker.examples_per_second is not None for worker in workers.list_workers(session)] == [True]


LEFT_TRIALS = """
    INSERT INTO trials (sweep_id, number, state, error, finished_at)
    SELECT :sweep, number, 'failed', 'x', now() FROM generate_series(101, 5100) AS number
"""


def test_two_that_clear_do_not_wait_for_each_other(engine: Engine) -> None:
    """Where another process is at it, this one leaves it to that."""
    sweep = ended_grid(engine, 1)
    with transaction(engine) as session:
        deletion.delete(session, sweep)
    with transaction(engine) as session:
        assert deletion.clear_piece(session, 2)
        assert not clear_piece(engine)
    assert rows(engine) == [0, 0, 0, 0]


def test_a_piece_that_takes_too_long_is_halved(engine: Engine, database_url: str) -> None:
    """As often as it must be; the next deleted sweep begins with whole pieces again."""
    sweep = ended_grid(engine, 3)
    with transaction(engine) as session:
        deletion.delete(session, sweep)
        session.execute(text(SLOW_IN_PAIRS))
        session.execute(text(SLOW_TRIGGER))
    impatient_engine = connect(database_url, statement_seconds=0.3)
    clearing = deletion.Clearing(impatient_engine)
    left = []
    while clearing.turn() is not None:
        left.append(rows(engine)[0])
    impatient_engine.dispose()
    assert left == [3, 2, 1, 0, 0]


SLOW_IN_PAIRS = """
    CREATE FUNCTION slow_in_pairs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) FROM deleted_trials) > 1 THEN PERFORM pg_sleep(60); END IF;
        RETURN NULL;
    END $$
"""
SLOW_TRIGGER = """
    CREATE TRIGGER slow_in_pairs AFTER DELETE ON trials REFERENCING OLD TABLE AS deleted_trials
    FOR EACH STATEMENT EXECUTE FUNCTION slow_in_pairs()
"""

KEPT: dict[str, tuple[str, str]] = {
    "noted": ("UPDATE sweeps SET notes = 'x' WHERE id = :id", "it has notes"),
    "noted trial": ("UPDATE trials SET note = 'x' WHERE sweep_id = :id AND number = 1", "one of its trials has a note"),
    "tagged": ("UPDATE sweeps SET tags = '{keep}' WHERE id = :id", "it has the tag keep"),
    "shared": (
        "INSERT INTO shares (digest, sweep_id, expires_at) VALUES ('x', :id, now() + interval '1 day')",
        "a link shows it",
    ),
}


def test_what_ended_long_ago_is_pruned_but_for_what_somebody_holds_on_to(engine: Engine) -> None:
    """A dry run says the same and deletes nothing; what ended later, or goes on, is not even named."""
    sweeps = {name: ended_grid(engine, 2, name=name) for name in (*KEPT, "old", "old and shared once", "late")}
    waiting = create_grid(engine, 1, name="waiting")
    with transaction(engine) as session:
        age = "UPDATE sweeps SET finished_at = now() - interval '91 days' WHERE finished_at IS NOT NULL AND id <> :late"
        session.execute(text(age), {"late": sweeps["late"]})
        for name, (statement, _) in KEPT.items():
            session.execute(text(statement), {"id": sweeps[name]})
        expired = "INSERT INTO shares (digest, sweep_id, expires_at) VALUES ('y', :id, now() - interval '1 day')"
        session.execute(text(expired), {"id": sweeps["old and shared once"]})
    before = rows(engine)
    told = [*retention.prune(engine, 90, dry_run=True)]
    assert rows(engine) == before
    assert told[-1] == "2 sweeps with 4 trials would be deleted, 4 kept."
    pruned = [*retention.prune(engine, 90, dry_run=False)]
    assert pruned == [line.replace("would be deleted", "deleted         ") for line in told[:-1]] + [
        "2 sweeps with 4 trials deleted, 4 kept."
    ]
    for name, (_, reason) in KEPT.items():
        assert any(line.startswith(f"sweep {sweeps[name]} ") and f"kept: {reason}" in line for line in pruned)
    assert rows(engine) == [before[0] - 4, before[1] - 4, before[2] - 4, 0]
    assert len(trials_of(engine, waiting)) == 1
    assert len(trials_of(engine, sweeps["late"])) == 2


def test_the_sweeps_of_an_exercise_go_together(engine: Engine) -> None:
    """As long as one of its run has not ended long ago, the others stay: their answer is that of all."""
    early, late = ended_grid(engine), ended_grid(engine)
    with transaction(engine) as session:
        run = session.scalars(
            text("INSERT INTO exercise_runs (exercise, preset) VALUES (1, 'quick') RETURNING id")
        ).one()
        session.execute(text("UPDATE sweeps SET exercise_run_id = :run"), {"run": run})
        old = text("UPDATE sweeps SET finished_at = now() - interval '91 days' WHERE id = :id")
        session.execute(old, {"id": early})
    assert retention.old_sweeps(engine, 90) == []
    with transaction(engine) as session:
        session.execute(old, {"id": late})
    assert [sweep.id for sweep in retention.old_sweeps(engine, 90)] == [early, late]


def test_what_keeps_a_sweep_keeps_all_of_its_run(engine: Engine) -> None:
    """Each line says which one."""
    early, late, alone = (ended_grid(engine, 2) for _ in range(3))
    with transaction(engine) as session:
        make_old(session, early, late, alone)
        run = session.scalars(
            text("INSERT INTO exercise_runs (exercise, preset) VALUES (1, 'quick') RETURNING id")
        ).one()
        session.execute(text("UPDATE sweeps SET exercise_run_id = :run WHERE id <> :id"), {"run": run, "id": alone})
        session.execute(text(KEPT["noted trial"][0]), {"id": late})
    reasons = {sweep.id: sweep.reason for sweep in retention.old_sweeps(engine, 90)}
    assert reasons == {
        early: f"sweep {late} of its exercise is kept",
        late: "one of its trials has a note",
        alone: None,
    }


def test_the_sweeps_of_an_exercise_go_in_one_transaction(engine: Engine) -> None:
    """Whoever is interrupted between two of them has deleted none: half of them answer nothing."""
    early, late = ended_grid(engine, 2), ended_grid(engine, 2)
    with transaction(engine) as session:
        make_old(session, early, late)
        run = session.scalars(
            text("INSERT INTO exercise_runs (exercise, preset) VALUES (1, 'quick') RETURNING id")
        ).one()
        session.execute(text("UPDATE sweeps SET exercise_run_id = :run"), {"run": run})
        body = f"BEGIN IF OLD.id = {late} THEN RAISE EXCEPTION 'interrupted'; END IF; RETURN NULL; END"
        session.execute(text(f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        session.execute(text("CREATE TRIGGER between AFTER DELETE ON sweeps FOR EACH ROW EXECUTE FUNCTION stop()"))
    with pytest.raises(DBAPIError, match="interrupted"):
        [*retention.prune(engine, 90, dry_run=False)]
    assert [sweep.id for sweep in retention.old_sweeps(engine, 90)] == [early, late]
    with transaction(engine) as session:
        session.execute(text("DROP TRIGGER between ON sweeps"))
    assert [*retention.prune(engine, 90, dry_run=False)][-1] == "2 sweeps with 4 trials deleted, 0 kept."


def test_what_was_imported_since_is_not_old(client: TestClient, engine: Engine) -> None:
    """Its file says when it was made and when it ended; both may be long ago."""
    sweep = ended_grid(engine, 1)
    with transaction(engine) as session:
        make_old(session, sweep)
    exported = client.get(f"/api/v1/sweeps/{sweep}/export.json").content
    copy = client.post("/api/v1/sweeps/import", content=exported).json()["id"]
    assert [sweep.id for sweep in retention.old_sweeps(engine, 90)] == [sweep]
    with transaction(engine) as session:
        session.execute(text("UPDATE sweep_log SET at = at - interval '91 days'"))
    assert [sweep.id for sweep in retention.old_sweeps(engine, 90)] == [sweep, copy]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_held_on_to_meanwhile_is_not_deleted(engine: Engine, name: str) -> None:
    """After it was found, and before it is its turn."""
    first, second = ended_grid(engine, 2), ended_grid(engine, 2)
    with transaction(engine) as session:
        make_old(session, first, second)
        statement = KEPT[name][0].replace(":id", str(second))
        body = f"BEGIN {statement}; RETURN NULL; END"
        session.execute(text(f"CREATE FUNCTION hold_on() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        # the first one's deletion is the moment between
        session.execute(text("CREATE TRIGGER meanwhile AFTER DELETE ON sweeps FOR EACH ROW EXECUTE FUNCTION hold_on()"))
    assert [*retention.prune(engine, 90, dry_run=False)][-1] == "1 sweep with 2 trials deleted, 1 kept."
    assert len(trials_of(engine, second)) == 2


def test_pruning_leaves_the_database_to_others_between_pieces(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server's clearing does."""
    pauses: list[float] = []
    monkeypatch.setattr("app.sweeps.retention.time.sleep", pauses.append)
    sweep = ended_grid(engine, 3)
    with transaction(engine) as session:
        make_old(session, sweep)
    assert [*retention.prune(engine, 90, dry_run=False)][-1] == "1 sweep with 3 trials deleted, 0 kept."
    assert len(pauses) == 2  # PIECE is 2
    assert min(pauses) > 0


def make_old(session: Session, *sweeps: int) -> None:
    """Has them made and ended long ago."""
    old = "UPDATE sweeps SET created_at = now() - interval '92 days', finished_at = now() - interval '91 days'"
    session.execute(text(f"{old} WHERE id = ANY(:ids)"), {"ids": [*sweeps]})


@pytest.mark.parametrize(("age", "days"), [("90d", 90), ("12w", 84), ("1d", 1)])
def test_an_age_is_days_or_weeks(age: str, days: int) -> None:
    assert retention.days_of(age) == days


@pytest.mark.parametrize("age", ["", "90", "0d", "-1d", "1.5d", "90 d", "3m", "d", "999999w"])
def test_another_age_is_refused(age: str) -> None:
    """With an example of what would be right."""
    with pytest.raises(InvalidError, match="such as 90d or 12w"):
        retention.days_of(age)

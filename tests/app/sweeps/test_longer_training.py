"""Longer training over HTTP: which trials go on, what becomes of their sweep, and what is refused."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, select, text

from app import queue
from app.db.engine import transaction
from app.db.tables import LogEntry
from app.domain.states import SweepState
from app.lifecycle import checkpoint_retention
from app.queries import chart_rows
from app.queue.legs import TrialCheckpoint
from app.queue.progress import TrialResult
from app.schemas import ContinueTop
from app.search.history import observations
from app.sweeps import longer_training
from tests.support.queue_examples import (
    change,
    checkpointed_ids,
    claim,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    record,
    success,
    sweep_of,
    trials_of,
)


def finished(engine: Engine, *values: float, **body: Any) -> int:
    """A grid of two epochs of which each trial has ended with a value, and the best three with a checkpoint."""
    sweep = create_grid(engine, *range(1, len(values) + 1), **body)
    train_all(engine, sweep, values)
    return sweep


def train_all(engine: Engine, sweep: int, values: Sequence[float]) -> None:
    """Ends all that waits with the values of these numbers."""
    worker = new_worker(engine)
    while trials := claim(engine, worker):
        for epoch in (1, 2):
            record(engine, sweep, [trial.lease for trial in trials], epoch)
        results: list[TrialResult] = [success(trial.lease, values[trial.number]) for trial in trials]
        checkpoints = {
            trial.lease.trial_id: TrialCheckpoint(trial.lease, 2, 2, f"trial {trial.number}".encode())
            for trial in trials
        }
        with transaction(engine) as session:
            queue.finish(session, sweep, worker, results, lambda _: {}, checkpoints.get)


def go_on(client: TestClient, sweep: int, number: int, epochs: int = 5) -> Any:
    return client.post(f"/api/v1/sweeps/{sweep}/trials/{number}/continue", json={"epochs": epochs})


def test_a_trial_goes_on_as_a_new_one_from_its_checkpoint(client: TestClient, engine: Engine) -> None:
    """With its seeds, its curve and more epochs; the old one keeps all that it has, and the sweep goes on."""
    sweep = finished(engine, 0.5, 0.9)
    before = client.get(f"/api/v1/sweeps/{sweep}/trials/1").json()
    answer = go_on(client, sweep, 1)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v1/sweeps/{sweep}/trials/2")
    facts = ("number", "state", "continued_from", "epochs_trained", "first_seed", "enqueued", "params")
    assert [answer.json()[name] for name in facts] == [
        *(2, "waiting", 1, 2, 0, True),
        {"hidden_units": 2, "epochs": 5},
    ]
    assert client.get(f"/api/v1/sweeps/{sweep}/trials/1").json() == before
    assert sweep_of(engine, sweep).state == SweepState.running
    assert trials_of(engine, sweep)[2].epochs_done == 2
    epochs = client.get(f"/api/v1/sweeps/{sweep}/trials/2/epochs").json()["items"]
    assert [point["epoch"] for point in epochs] == [1, 2]
    (claimed,) = claim(engine, new_worker(engine))
    assert (claimed.number, claimed.epochs_trained, claimed.is_judged) == (2, 2, False)
    with transaction(engine) as session:
        stored = queue.load_checkpoints(session, [claimed.lease.trial_id])
    assert stored == {claimed.lease.trial_id: b"trial 1"}


def test_a_call_that_is_repeated_queues_nothing(client: TestClient, engine: Engine) -> None:
    """200 and the trial of the first call; other epochs are another trial, which may go on from the longer one."""
    sweep = finished(engine, 0.5)
    assert [go_on(client, sweep, 0, epochs).status_code for epochs in (5, 5, 6)] == [201, 200, 201]
    assert [trial.continued_from for trial in trials_of(engine, sweep)] == [None, 0, 0]


def test_charts_know_which_epochs_were_copied(client: TestClient, engine: Engine) -> None:
    """Those of the trial that it goes on from; none where that one's checkpoint is gone and it begins anew."""
    sweep, worker = finished(engine, 0.1, 0.9, 0.8, 0.7), new_worker(engine)
    for number in (1, 0):
        assert go_on(client, sweep, number).is_success
    longer, anew = claim(engine, worker, max_trials=1), claim(engine, worker, max_trials=1)
    with transaction(engine) as session:
        session.execute(text("UPDATE epochs SET seconds = 0.2"))  # what is recorded from here on took another time
    for trial in (*longer, *anew):
        for epoch in range(trial.epochs_trained + 1, 6):
            record(engine, sweep, [trial.lease], epoch)
    with transaction(engine) as session:
        rows = {row.number: (row.epochs, row.epochs_copied) for row in chart_rows.trial_rows(session, sweep)}
    assert rows == {0: (2, 0), 1: (2, 0), 2: (2, 0), 3: (2, 0), 4: (5, 2), 5: (5, 0)}


def test_one_that_was_cancelled_is_to_be_retried(client: TestClient, engine: Engine) -> None:
    """409 names it, as nothing would be trained; once it is retried, a call finds it again."""
    sweep = finished(engine, 0.5, 0.4)
    go_on(client, sweep, 0)
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/2/cancel").is_success
    answer = go_on(client, sweep, 0)
    assert answer.status_code == 409
    assert "trial 2 has these parameters and seeds and was cancelled: retry that one" in answer.json()["detail"]
    together = client.post(f"/api/v1/sweeps/{sweep}/continue", json={"top": 1, "epochs": 5})
    assert (together.status_code, "retry that one" in together.json()["detail"]) == (409, True)
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/2/retry").is_success
    assert (go_on(client, sweep, 0).status_code, len(trials_of(engine, sweep))) == (200, 3)


def test_checkpoints_stay_of_the_best_three_for_a_week(client: TestClient, engine: Engine) -> None:
    """Without one a trial begins anew, with the same seeds."""
    sweep = finished(engine, 0.1, 0.4, 0.2, 0.3)
    ids = [trial.id for trial in trials_of(engine, sweep)]
    assert checkpointed_ids(engine) == ids[1:]
    worst = go_on(client, sweep, 0).json()
    assert (worst["epochs_trained"], worst["first_seed"]) == (0, 0)
    with transaction(engine) as session:
        checkpoint_retention.drop_ended(session)
    assert checkpointed_ids(engine) == ids[1:]
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET finished_at = now() - interval '8 days' WHERE value IS NOT NULL"))
        checkpoint_retention.drop_ended(session)
    assert checkpointed_ids(engine) == []
    assert go_on(client, sweep, 1).json()["epochs_trained"] == 0


def test_they_are_kept_of_those_that_would_go_on(client: TestClient, engine: Engine) -> None:
    """The best configurations by the sweep's own rule: the first value of one that was trained again was luck."""
    values = [0.9, 0.8, 0.7, 0.6, 0.1, 0.65]
    sweep = finished(engine, *values[:4])
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/0/rerun", json={"seeds": 1}).is_success
    train_all(engine, sweep, values)
    wider_space = {"hidden_units": [1, 2, 3, 4, 5], "epochs": 2}
    assert client.patch(f"/api/v1/sweeps/{sweep}", json={"space": wider_space}).is_success
    train_all(engine, sweep, values)
    ids = [trial.id for trial in trials_of(engine, sweep)]
    assert checkpointed_ids(engine) == [ids[1], ids[2], ids[5]]
    answer = client.post(f"/api/v1/sweeps/{sweep}/continue", json={"top": 3, "epochs": 5}).json()
    longer_trials = [trials_of(engine, sweep)[number] for number in answer["trials"]]
    assert [(trial.continued_from, trial.epochs_trained) for trial in longer_trials] == [(1, 2), (2, 2), (5, 2)]


@pytest.mark.parametrize(
    ("space", "epochs", "words"),
    [
        ({}, 2, "it was trained for 2 epochs, so ask for more than that"),
        ({"lr_schedule": "cosine"}, 5, "has come down over 2 epochs by the schedule cosine"),
    ],
)
def test_what_would_not_come_to_the_same_is_refused(
    client: TestClient, engine: Engine, space: dict[str, Any], epochs: int, words: str
) -> None:
    """409 with the reason; nothing is queued."""
    sweep = finished(engine, 0.5, space={"hidden_units": [1], "epochs": 2} | space)
    for path, body in ((f"trials/0/{'continue'}", {}), ("continue", {"top": 1})):
        answer = client.post(f"/api/v1/sweeps/{sweep}/{path}", json={"epochs": epochs} | body)
        assert answer.status_code == 409
        assert words in answer.json()["detail"]
    assert len(trials_of(engine, sweep)) == 1
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_other_refusals_say_why(client: TestClient, engine: Engine) -> None:
    """A trial that is not complete, one that is there already, a broken constraint, a sweep that stops, bad epochs."""
    sweep = finished(engine, 0.5, 0.6, space={"hidden_units": [1], "epochs": [2, 5]}, constraints=["epochs < 9"])
    assert "trial 1 has these parameters and seeds already" in go_on(client, sweep, 0, 5).json()["detail"]
    assert "it would break the constraint epochs < 9: 9" in go_on(client, sweep, 0, 9).json()["detail"]
    waiting = create_grid(engine, 1, 2)
    assert "it is waiting, and only complete trials go on" in go_on(client, waiting, 0).json()["detail"]
    worker = new_worker(engine)
    first, *_ = claim(engine, worker, max_trials=1)
    finish(engine, waiting, worker, [success(first.lease)])
    claim(engine, worker)
    change(engine, waiting, "stop")
    assert go_on(client, waiting, first.number).status_code == 409
    for epochs in ("5", 1, 10_001, None):
        assert go_on(client, sweep, 0, epochs).json()["errors"][0]["loc"] == ["epochs"]  # type: ignore[arg-type]
    assert (go_on(client, sweep, 99).status_code, go_on(client, 99, 0).status_code) == (404, 404)


def test_the_best_go_on_together(client: TestClient, engine: Engine) -> None:
    """Those that can; the others are named. Called again, it finds the trials of the first call."""
    space = {"hidden_units": 1, "lr_schedule": ["constant", "cosine", "step"], "epochs": 2}
    sweep = finished(engine, 0.5, 0.9, 0.7, space=space)
    answers = [client.post(f"/api/v1/sweeps/{sweep}/continue", json={"top": 3, "epochs": 5}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["trials"] == [3, 4]
    (left_out,) = answers[0].json()["left_out"]
    assert (left_out["trial"], "cosine" in left_out["reason"]) == (1, True)
    assert [trial.continued_from for trial in trials_of(engine, sweep)] == [None, None, None, 2, 0]


def test_many_go_on_in_as_few_statements_as_one(engine: Engine) -> None:
    """All workers of the sweep wait meanwhile; the log has an entry for all."""
    sweeps = [finished(engine, *values) for values in ((0.5,), (0.1, 0.2, 0.3, 0.4, 0.5))]
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    counts = []
    for sweep in sweeps:
        sent.clear()
        with transaction(engine) as session:
            continued = longer_training.continue_top(session, sweep, ContinueTop(top=1000, epochs=5))
        counts.append((len(continued.trials), len(sent)))
    assert [trials for trials, _ in counts] == [1, 5]
    assert counts[0][1] == counts[1][1]
    with transaction(engine) as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.sweep_id == sweeps[1])).all()
    assert [entry.trials for entry in entries if "go on to 5 epochs" in entry.text] == [[5, 6, 7, 8, 9]]


def test_two_that_become_one_go_on_once(client: TestClient, engine: Engine) -> None:
    """They differ in nothing but their epochs: the better one goes on, and the other is told of it."""
    sweep = finished(engine, 0.5, 0.6, space={"hidden_units": [1], "epochs": [1, 2]})
    answer = client.post(f"/api/v1/sweeps/{sweep}/continue", json={"top": 2, "epochs": 5}).json()
    assert answer["trials"] == [2]
    (left_out,) = answer["left_out"]
    assert left_out == {"trial": 0, "reason": "trial 1 goes on to the same parameters and seeds"}


def test_the_search_space_stays_as_it_is(client: TestClient, engine: Engine) -> None:
    """No cells are added, a sampler sees nothing that it could not choose, and a copy has the same budget."""
    grid = finished(engine, 0.5, 0.6)
    go_on(client, grid, 1)
    summary = client.get(f"/api/v1/sweeps/{grid}").json()
    assert (summary["space"]["epochs"], summary["n_trials"]) == (2, 3)
    assert client.post(f"/api/v1/sweeps/{grid}/clone", json={}).json()["n_trials"] == 2
    with transaction(engine) as session:
        assert [seen.params["epochs"] for seen in observations(session, grid)] == [2, 2]
    assert client.patch(f"/api/v1/sweeps/{grid}", json={"space": {"hidden_units": [1, 2], "epochs": [2, 5]}}).is_success
    with transaction(engine) as session:
        assert [seen.params["epochs"] for seen in observations(session, grid)] == [2, 2, 5, 5]
    cells = sorted(tuple((trial.params or {}).values()) for trial in trials_of(engine, grid))
    assert cells == [(1, 2), (1, 5), (2, 2), (2, 5)]


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_an_export_takes_it_along(client: TestClient, engine: Engine, ending: str) -> None:
    """Beyond what the space says; where it had not ended it begins anew."""
    sweep = finished(engine, 0.5)
    go_on(client, sweep, 0)
    export = client.get(f"/api/v1/sweeps/{sweep}/export.{ending}?epochs=true").content
    copy = client.post("/api/v1/sweeps/import", content=export).json()
    trial = trials_of(engine, copy["id"])[1]
    assert (trial.continued_from, trial.epochs_trained, trial.epochs_done) == (0, 0, 0)
    assert (trial.params or {})["epochs"] == 5


def test_the_page_has_a_form_for_one_trial_and_one_for_the_best(client: TestClient, engine: Engine) -> None:
    """Both go back to the page, where the trials say what they are."""
    sweep = finished(engine, 0.5, 0.6)
    assert client.post(f"/sweeps/{sweep}/trials/0/continue", data={"epochs": "4"}).is_success
    page = client.post(f"/sweeps/{sweep}/train-longer", data={"top": "1", "epochs": "5"})
    assert page.is_success
    assert "trial 0 on to 4 epochs" in page.text
    assert "trial 1 on to 5 epochs" in page.text
    forms = [
        f'action="/sweeps/{sweep}/trials/{number}/continue"'
        in client.get(f"/sweeps/{sweep}/trials/{number}", headers={"HX-Request": "true"}).text
        for number in (0, 2)
    ]
    assert forms == [True, False]
    assert client.post(f"/sweeps/{sweep}/train-longer", data={"top": "0", "epochs": "5"}).status_code == 422
    assert "No trial is complete yet" in client.get(f"/sweeps/{create_sweep(engine)}").text

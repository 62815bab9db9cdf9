"""What PATCH changes of a sweep, over HTTP, and what it refuses."""

from collections import Counter
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db import trial_rows
from app.sweeps import creation
from tests.support.queue_examples import (
    change,
    claim,
    complete,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    states,
    success,
    sweep_of,
    trials_of,
)

Answer = tuple[int, dict[str, Any]]


def patch(client: TestClient, sweep: int, **body: Any) -> Answer:
    answer = client.patch(f"/api/v1/sweeps/{sweep}", json=body)
    return answer.status_code, answer.json()


def refusal(answer: Answer) -> tuple[int, list[object], str]:
    """The status, and path and sentence of the only wrong field."""
    status, problem = answer
    (error,) = problem["errors"]
    return status, error["loc"], error["msg"]


def test_words_and_priority_are_changed(client: TestClient, engine: Engine) -> None:
    """What is sent is changed, the rest stays, and the answer is the sweep."""
    sweep = create_sweep(engine, notes="first")
    changes = {"name": "another", "tags": ["b", "a", "b"], "priority": 7, "keep_models": "all", "device": "cuda"}
    status, after = patch(client, sweep, **changes)
    assert status == 200
    assert {name: after[name] for name in (*changes, "notes")} == changes | {"tags": ["a", "b"], "notes": "first"}
    assert client.get(f"/api/v1/sweeps/{sweep}").json() == after


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"notes": "a\0b"}, "notes"),
        ({"priority": 101}, "priority"),
        ({"device": "gpu"}, "device"),
        ({"n_trials": 0}, "n_trials"),
        ({"n_trials": None}, "n_trials"),
        ({"tags": [""]}, "tags"),
        ({"seeds": 2}, "seeds"),
        ({"stop": {"target": "high"}}, "stop"),
    ],
)
def test_a_wrong_field_changes_nothing(client: TestClient, engine: Engine, body: dict[str, Any], field: str) -> None:
    """422 with the field's path, and not even the right field beside it is stored."""
    sweep = create_sweep(engine, notes="as it was")
    status, problem = patch(client, sweep, **({"notes": "changed"} | body))
    assert (status, problem["errors"][0]["loc"][0]) == (422, field)
    assert sweep_of(engine, sweep).notes == "as it was"


def test_an_unknown_sweep_is_404(client: TestClient) -> None:
    """Nothing is made."""
    assert patch(client, 99, name="x")[0] == 404


def test_stop_rules_are_changed_and_removed(client: TestClient, engine: Engine) -> None:
    """They hold from then on; null means none."""
    sweep = create_sweep(engine, stop={"target": 0.9})
    assert patch(client, sweep, stop={"failures": 3})[1]["stop"]["failures"] == 3
    assert patch(client, sweep, stop=None)[1]["stop"] is None


def test_the_budget_grows_while_it_runs(client: TestClient, engine: Engine) -> None:
    """Further trials wait behind the others, under new numbers."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claim(engine, worker, max_trials=1)
    status, after = patch(client, sweep, n_trials=6)
    assert (status, after["n_trials"], after["state"]) == (200, 6, "running")
    assert [trial.number for trial in trials_of(engine, sweep)] == list(range(6))
    assert Counter(states(engine, sweep)) == {"running": 1, "waiting": 5}


def test_a_finished_sweep_goes_on_with_a_larger_budget(client: TestClient, engine: Engine) -> None:
    """Completed becomes running, ends again with the better trial as the best, and waits to be scored again."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    status, after = patch(client, sweep, n_trials=2)
    assert (status, after["state"], after["finished_at"]) == (200, "running", None)
    assert 0 < after["progress"] < 1
    (trial,) = claim(engine, worker)
    complete(engine, sweep, worker, [trial])
    assert (sweep_of(engine, sweep).state, sweep_of(engine, sweep).scored) == ("completed", False)


def test_a_sweep_that_never_started_is_queued_again(client: TestClient, engine: Engine) -> None:
    """Cancelled before its first trial and extended: it waits in the queue for the new ones."""
    sweep = create_sweep(engine, n_trials=2)
    change(engine, sweep, "cancel")
    assert patch(client, sweep, n_trials=3)[1]["state"] == "queued"
    assert states(engine, sweep) == ["cancelled", "cancelled", "waiting"]


def test_a_stopping_sweep_gets_no_more_to_do(client: TestClient, engine: Engine) -> None:
    """409 names both states; nothing is added."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claim(engine, worker, max_trials=1)
    change(engine, sweep, "stop")
    status, problem = patch(client, sweep, n_trials=9)
    assert (status, problem["detail"]) == (409, f"Sweep {sweep} is stopping: it can't become running.")
    assert len(states(engine, sweep)) == 4


def test_the_budget_shrinks_to_what_has_started(client: TestClient, engine: Engine) -> None:
    """The latest waiting trials go first, and the user's own last."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    own = client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 3}}).json()["number"]
    claim(engine, worker, max_trials=1)
    assert states(engine, sweep)[own] == "running"
    client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 5}})
    assert patch(client, sweep, n_trials=3)[0] == 200
    assert [trial.number for trial in trials_of(engine, sweep)] == [0, 4, 5]
    assert patch(client, sweep, n_trials=1)[0] == 200
    assert states(engine, sweep) == ["running"]


def test_a_running_trial_is_never_shrunk_away(client: TestClient, engine: Engine) -> None:
    """422 says how many there have to be; the name that came with it is not changed either."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claim(engine, worker, max_trials=3)
    wrong = refusal(patch(client, sweep, n_trials=2, name="not stored"))
    assert wrong == (422, ["n_trials"], "must be at least 3: so many trials have started")
    assert (sweep_of(engine, sweep).name, len(states(engine, sweep))) == ("example", 4)


def test_shrinking_to_what_is_done_ends_the_sweep(client: TestClient, engine: Engine) -> None:
    """With the waiting ones gone and the others finished there is nothing left to do."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker, max_trials=2))
    assert patch(client, sweep, n_trials=2)[1]["state"] == "completed"


def test_shrinking_an_ended_sweep_leaves_it_ended(client: TestClient, engine: Engine) -> None:
    """Cancelled trials that never started are dropped; when it ended does not change."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker, max_trials=1))
    change(engine, sweep, "stop")
    ended = sweep_of(engine, sweep).finished_at
    status, after = patch(client, sweep, n_trials=1)
    assert (status, after["state"], after["n_trials"]) == (200, "completed", 1)
    assert sweep_of(engine, sweep).finished_at == ended


def test_a_grid_has_its_own_number_of_trials(client: TestClient, engine: Engine) -> None:
    """The refusal says how to get more cells; the number that it has is no change."""
    sweep = create_grid(engine, 4, 8)
    assert patch(client, sweep, n_trials=2)[0] == 200
    status, loc, says = refusal(patch(client, sweep, n_trials=3))
    assert (status, loc, "change the space to add cells" in says) == (422, ["n_trials"], True)


def test_a_grid_gets_the_new_cells_once(client: TestClient, engine: Engine) -> None:
    """A finished grid that is widened trains the new cells alone; the same space again adds none."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    finish(engine, sweep, worker, [success(trial.lease) for trial in claim(engine, worker)])
    space = {"hidden_units": [2, 4, 8], "learning_rate": [0.1, 0.5], "epochs": 2}
    for _ in range(2):
        status, after = patch(client, sweep, space=space)
        assert (status, after["state"], after["n_trials"], after["space"]) == (200, "running", 6, space)
    cells = [trial.params for trial in trials_of(engine, sweep)]
    assert cells[:2] == [{"hidden_units": units, "learning_rate": 0.1, "epochs": 2} for units in (4, 8)]
    assert {(cell["hidden_units"], cell["learning_rate"]) for cell in cells if cell} == {
        (units, rate) for units in (2, 4, 8) for rate in (0.1, 0.5)
    }
    assert Counter(states(engine, sweep)) == {"complete": 2, "waiting": 4}


def test_a_wider_space_is_what_is_drawn_from_now_on(client: TestClient, engine: Engine) -> None:
    """A sampled sweep keeps its trials and its budget."""
    sweep = create_sweep(engine)
    space = {"hidden_units": {"low": 1, "high": 128}, "epochs": [2, 3]}
    status, after = patch(client, sweep, space=space)
    assert (status, after["space"], after["n_trials"], after["state"]) == (200, space, 4, "queued")


@pytest.mark.parametrize(
    ("space", "loc", "says"),
    [
        ({"hidden_units": {"low": 2, "high": 64}, "epochs": 2}, ["space", "hidden_units"], "must still hold"),
        ({"hidden_units": {"low": 1, "high": 64, "step": 3}, "epochs": 2}, ["space", "hidden_units"], "1 to 64"),
        ({"hidden_units": [1, 64], "epochs": 2}, ["space", "hidden_units"], "must still hold"),
        ({"hidden_units": {"low": 1, "high": 64}}, ["space", "epochs"], "is missing"),
        ({"hidden_units": {"low": 1, "high": 64}, "epochs": 3}, ["space", "epochs"], "must still hold"),
        (
            {"hidden_units": {"low": 1, "high": 64}, "epochs": 2, "depth": [2, 3]},
            ["space", "depth"],
            "must also hold 1, with which trials so far were trained",
        ),
        ({"hidden_units": {"low": 1, "high": 64}, "epochs": 2, "nothing": 1}, ["space", "nothing"], "is no hyper"),
        ({"hidden_units": {"low": 1, "high": 60_000}, "epochs": 2, "depth": [1, 8]}, ["space"], "holds a model"),
    ],
)
def test_a_space_that_is_not_wider_is_refused(
    client: TestClient, engine: Engine, space: dict[str, Any], loc: list[object], says: str
) -> None:
    """The field is named with what would be right, and the space stays."""
    sweep = create_sweep(engine)
    status, where, msg = refusal(patch(client, sweep, space=space))
    assert (status, where, says in msg) == (422, loc, True)
    assert sweep_of(engine, sweep).space == {"hidden_units": {"low": 1, "high": 64}, "epochs": 2}


def test_the_cells_of_a_grid_are_computed_before_anything_is_locked(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a worker that writes to the sweep nor a post with another key waits for a large grid."""
    sweep = create_grid(engine, 8, 16)
    compute, waited = trial_rows.new_trials, []

    def compute_while_others_lock(*arguments: Any) -> Any:
        with engine.begin() as connection:
            connection.execute(text("SELECT id FROM sweeps FOR UPDATE NOWAIT"))
            others = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database IS NOT NULL"
            waited.append(connection.execute(text(f"{others} AND pid <> pg_backend_pid()")).scalar_one())
        return compute(*arguments)

    monkeypatch.setattr(trial_rows, "new_trials", compute_while_others_lock)
    monkeypatch.setattr(creation, "new_trials", compute_while_others_lock)
    assert patch(client, sweep, space={"hidden_units": [8, 16, 32], "epochs": 2})[1]["n_trials"] == 3
    body = {"name": "grid", "dataset": "digits", "space": {"hidden_units": [8]}, "sampler": "grid"}
    for _ in range(2):
        answer = client.post("/api/v1/sweeps", json=body, headers={"Idempotency-Key": "one"})
        assert answer.status_code in {200, 201}
    assert waited == [0, 0, 0]


def test_two_changes_of_a_space_at_once_are_told_apart(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one finds another space than it has checked its own against, and is 409."""
    sweep = create_grid(engine, 8, 16)
    compute = trial_rows.new_trials

    def compute_while_another_widens(*arguments: Any) -> Any:
        with engine.begin() as connection:
            wider = """UPDATE sweeps SET space = '{"hidden_units": [8, 16, 64], "epochs": 2}'"""
            connection.execute(text(wider))
        return compute(*arguments)

    monkeypatch.setattr(trial_rows, "new_trials", compute_while_another_widens)
    status, problem = patch(client, sweep, space={"hidden_units": [8, 16, 32], "epochs": 2})
    assert status == 409
    assert "was changed by another call meanwhile" in problem["detail"]

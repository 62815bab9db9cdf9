"""What the calls on single trials do, over HTTP, while a worker trains."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db.engine import transaction
from app.queue import scoring
from tests.support.queue_examples import (
    change,
    claim,
    complete,
    create_grid,
    create_sweep,
    expire,
    failure,
    finish,
    heartbeat,
    let_lapse,
    new_worker,
    record,
    states,
    success,
    sweep_of,
)

NOBODY = "2147483647"


def get_trial(client: TestClient, sweep: int, number: int) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/api/v1/sweeps/{sweep}/trials/{number}").json()
    return body


def get_sweep(client: TestClient, sweep: int) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/api/v1/sweeps/{sweep}").json()
    return body


def completed_grid(engine: Engine, *values: float) -> int:
    """A grid with one complete trial for each value, in their order."""
    sweep, worker = create_grid(engine, *range(1, len(values) + 1)), new_worker(engine)
    claimed = claim(engine, worker)
    finish(engine, sweep, worker, [success(trial.lease, value) for trial, value in zip(claimed, values, strict=True)])
    return sweep


def test_a_failed_trial_is_retried_and_its_sweep_goes_on(client: TestClient, engine: Engine) -> None:
    """It waits with its parameters and all its attempts, what came of it is history, and the sweep is scored again."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    first, second = claim(engine, worker)
    finish(engine, sweep, worker, [success(first.lease), failure(second.lease, "diverged at epoch 2")])
    assert get_sweep(client, sweep)["state"] == "completed"
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials/1/retry")
    assert answer.status_code == 200
    (attempt,) = answer.json()["history"]
    assert (attempt["reason"], attempt["worker"]) == ("diverged at epoch 2", str(worker))
    assert attempt["started_at"] <= attempt["ended_at"]
    assert {name: answer.json()[name] for name in ("state", "attempt", "error", "runs", "params")} == {
        "state": "waiting",
        "attempt": 0,
        "error": None,
        "runs": [],
        "params": second.params,
    }
    assert (get_sweep(client, sweep)["state"], get_sweep(client, sweep)["finished_at"]) == ("running", None)
    (again,) = claim(engine, worker)
    finish(engine, sweep, worker, [success(again.lease)])
    assert (get_sweep(client, sweep)["state"], sweep_of(engine, sweep).scored) == ("completed", False)
    assert len(get_trial(client, sweep, 1)["history"]) == 1


def test_all_failed_trials_are_retried_at_once(client: TestClient, engine: Engine) -> None:
    """The failed ones wait again, the complete one stays, and a second call finds nothing to do."""
    sweep, worker = create_grid(engine, 4, 8, 16), new_worker(engine)
    first, second, third = claim(engine, worker)
    finish(engine, sweep, worker, [failure(first.lease), success(second.lease), failure(third.lease)])
    answers = [client.post(f"/api/v1/sweeps/{sweep}/retry") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["revision"] == answers[0].json()["revision"]
    assert states(engine, sweep) == ["waiting", "complete", "waiting"]


@pytest.mark.parametrize(
    ("call", "state", "status"),
    [
        ("retry", "waiting", 200),
        ("retry", "complete", 409),
        ("retry", "cancelled", 200),
        ("cancel", "cancelled", 200),
        ("cancel", "complete", 409),
        ("cancel", "failed", 409),
    ],
)
def test_a_call_that_the_trial_s_state_forbids_names_both_states(
    client: TestClient, engine: Engine, call: str, state: str, status: int
) -> None:
    """409 says what the trial is and what it can't become; what is so already is 200."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    if state in {"complete", "failed"}:
        (trial,) = claim(engine, worker, max_trials=1)
        finish(engine, sweep, worker, [success(trial.lease) if state == "complete" else failure(trial.lease)])
    elif state == "cancelled":
        client.post(f"/api/v1/sweeps/{sweep}/trials/0/cancel")
    number = states(engine, sweep).index(state)
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials/{number}/{call}")
    assert answer.status_code == status
    if status == 409:
        target = {"retry": "waiting", "cancel": "cancelled"}[call]
        assert answer.json()["detail"] == f"Trial {number} of sweep {sweep} is {state}: it can't become {target}."


def test_a_cancelled_trial_writes_nothing_more(client: TestClient, engine: Engine) -> None:
    """Its worker learns at its next write that it does not hold it any more; its neighbour goes on."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    leases = [trial.lease for trial in claim(engine, worker)]
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/0/cancel").json()["state"] == "cancelled"
    assert record(engine, sweep, leases) == heartbeat(engine, worker, leases) == {leases[1].trial_id}
    assert finish(engine, sweep, worker, [success(lease) for lease in leases]) == {leases[1].trial_id}
    assert states(engine, sweep) == ["cancelled", "complete"]
    assert get_sweep(client, sweep)["state"] == "completed"


def test_cancelling_the_last_waiting_trial_ends_the_sweep(client: TestClient, engine: Engine) -> None:
    """With nothing left to do a sweep does not wait for a worker."""
    sweep = create_grid(engine, 4)
    client.post(f"/api/v1/sweeps/{sweep}/trials/0/cancel")
    assert get_sweep(client, sweep)["state"] == "cancelled"


def test_excluding_the_best_makes_the_next_one_best_and_unscored(client: TestClient, engine: Engine) -> None:
    """The chosen trial is another one, so it has to be scored; including it again turns all of that back."""
    sweep = completed_grid(engine, 0.5, 0.9, 0.7)
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        scoring.write(session, unscored, {seed: {"test_accuracy": 0.625} for seed in unscored.seeds})
    assert get_sweep(client, sweep)["best"]["test_accuracy"] == 0.625
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials/1/exclude")
    assert (answer.status_code, answer.json()["excluded"]) == (200, True)
    assert (get_sweep(client, sweep)["best"]["number"], get_sweep(client, sweep)["best"]["test_accuracy"]) == (2, None)
    assert not sweep_of(engine, sweep).scored
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        scoring.write(session, unscored, {0: {"test_accuracy": 0.5}})
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/1/exclude").status_code == 200
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/1/include").json()["excluded"] is False
    best = get_sweep(client, sweep)["best"]
    assert (best["number"], best["test_accuracy"]) == (1, 0.625)
    assert [look["number"] for look in sweep_of(engine, sweep).test_scores] == [1, 2]
    assert sweep_of(engine, sweep).scored  # nobody looks at the test images a third time


def test_excluding_another_trial_leaves_the_score_alone(client: TestClient, engine: Engine) -> None:
    """The test images are not looked at again for nothing."""
    sweep = completed_grid(engine, 0.5, 0.9)
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        scoring.write(session, unscored, {})
    client.post(f"/api/v1/sweeps/{sweep}/trials/0/exclude")
    assert sweep_of(engine, sweep).scored


def test_what_is_excluded_is_in_no_chart_unless_asked_for(client: TestClient, engine: Engine) -> None:
    """The history has one point less, and all of them with include_excluded=true."""
    sweep = completed_grid(engine, 0.5, 0.9, 0.7)
    client.post(f"/api/v1/sweeps/{sweep}/trials/1/exclude")
    chart = f"/api/v1/sweeps/{sweep}/charts/history"
    assert "0.9" not in client.get(chart).text
    assert "0.9" in client.get(f"{chart}?include_excluded=true").text
    refused = client.get(f"{chart}?include_excluded=perhaps")
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["query", "include_excluded"])


def test_a_trial_of_the_user_s_own_comes_first(client: TestClient, engine: Engine) -> None:
    """201 with its place; it is claimed before all that the sampler has, whatever those cost, and counts as a trial."""
    sweep, worker = (
        create_sweep(engine, space={"hidden_units": {"low": 1, "high": 64}, "epochs": 2}),
        new_worker(engine),
    )
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 3}})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/sweeps/{sweep}/trials/4"
    own = answer.json()
    assert (own["state"], own["enqueued"], own["params"]) == ("waiting", True, {"hidden_units": 3, "epochs": 2})
    assert (get_sweep(client, sweep)["n_trials"], get_sweep(client, sweep)["state"]) == (5, "queued")
    assert [trial.number for trial in claim(engine, worker, max_trials=1)] == [4]


@pytest.mark.parametrize(
    ("params", "field", "says"),
    [
        ({}, "hidden_units", "is missing; this sweep tries 1 to 64"),
        ({"hidden_units": 65}, "hidden_units", "must be one of what this sweep tries, 1 to 64, not 65"),
        ({"hidden_units": "4"}, "hidden_units", 'not "4"'),
        ({"hidden_units": True}, "hidden_units", "not true"),
        ({"hidden_units": 4, "epochs": 3}, "epochs", "must be one of what this sweep tries, 2, not 3"),
        ({"hidden_units": 4, "depth": 1}, "depth", "is not part of this sweep's space"),
    ],
)
def test_parameters_outside_the_space_are_refused(
    client: TestClient, engine: Engine, params: dict[str, Any], field: str, says: str
) -> None:
    """422 with the field's path and what would be right; nothing is stored."""
    sweep = create_sweep(engine)
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": params})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], says in error["msg"]) == (["params", field], True)
    assert len(states(engine, sweep)) == 4


def test_an_idempotency_key_queues_a_trial_once(client: TestClient, engine: Engine) -> None:
    """The same key gives the same trial; with other parameters it is 409; another sweep may use it too."""
    sweep, other_sweep = create_sweep(engine), create_sweep(engine)
    key = {"Idempotency-Key": "k"}

    def post(to: int, units: int) -> tuple[int, int | None]:
        answer = client.post(f"/api/v1/sweeps/{to}/trials", json={"params": {"hidden_units": units}}, headers=key)
        return answer.status_code, answer.json().get("number")

    assert [post(sweep, 3), post(sweep, 3), post(sweep, 4), post(other_sweep, 4)] == [
        (201, 4),
        (201, 4),
        (409, None),
        (201, 4),
    ]
    assert len(states(engine, sweep)) == 5


def test_a_trial_that_is_added_to_a_finished_sweep_lets_it_go_on(client: TestClient, engine: Engine) -> None:
    """Completed becomes running, and completed again with the new trial's value."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    assert get_sweep(client, sweep)["state"] == "completed"
    client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 3}})
    assert get_sweep(client, sweep)["state"] == "running"
    (own,) = claim(engine, worker)
    finish(engine, sweep, worker, [success(own.lease, 0.75)])
    assert (get_sweep(client, sweep)["state"], get_sweep(client, sweep)["best"]["number"]) == ("completed", 1)


def test_a_grid_has_no_cell_twice(client: TestClient, engine: Engine) -> None:
    """A cell that the grid has already is 409 and names its trial."""
    sweep = create_grid(engine, 4, 8)
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 8}})
    assert (
        answer.status_code,
        f"Trial 1 of sweep {sweep} has these parameters already" in answer.json()["detail"]
        and "retry" not in answer.json()["detail"],
    ) == (409, True)


def test_nothing_is_added_to_a_sweep_that_stops(client: TestClient, engine: Engine) -> None:
    """Both states are named: it is stopping and can't become running."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claim(engine, worker, max_trials=1)
    change(engine, sweep, "stop")
    answers = [
        client.post(f"/api/v1/sweeps/{sweep}/trials", json={"params": {"hidden_units": 3}}),
        client.post(f"/api/v1/sweeps/{sweep}/trials/{states(engine, sweep).index('cancelled')}/retry"),
    ]
    for answer in answers:
        assert answer.status_code == 409
        assert answer.json()["detail"] == f"Sweep {sweep} is stopping: it can't become running."


def test_lost_attempts_are_shown(client: TestClient, engine: Engine) -> None:
    """Three lost leases fail the trial, and each is in its history with its worker, its times and the reason."""
    sweep = create_grid(engine, 4)
    workers = [new_worker(engine) for _ in range(3)]
    for worker in workers:
        (trial,) = claim(engine, worker)
        let_lapse(engine, trial.lease)
        expire(engine)
    lost_trial = get_trial(client, sweep, 0)
    assert (lost_trial["state"], lost_trial["error"]) == ("failed", "its worker was lost 3 times")
    assert [attempt["worker"] for attempt in lost_trial["history"]] == [str(worker) for worker in workers]
    assert {attempt["reason"].split(":")[0] for attempt in lost_trial["history"]} == {"its worker was lost"}
    assert len(client.post(f"/api/v1/sweeps/{sweep}/trials/0/retry").json()["history"]) == 3


@pytest.mark.parametrize("path", [f"{NOBODY}/trials/0/retry", "1/trials/99/cancel", "1/trials/99/exclude", "99/retry"])
def test_unknown_trials_and_sweeps_are_404(client: TestClient, engine: Engine, path: str) -> None:
    """A problem with a sentence."""
    assert create_sweep(engine) == 1
    answer = client.post(f"/api/v1/sweeps/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_note_on_a_trial_is_kept_shown_and_exported(client: TestClient, engine: Engine, ending: str) -> None:
    """In any state; the sweep's revision tells that there is news, and a copy that is imported has it."""
    sweep = create_grid(engine, 4, 8)
    trial, revision = f"/api/v1/sweeps/{sweep}/trials/1", get_sweep(client, sweep)["revision"]
    assert get_trial(client, sweep, 1)["note"] == ""
    changed = client.patch(trial, json={"note": "Try <b>this</b>,\nagain"})
    assert (changed.status_code, changed.json()["note"]) == (200, "Try <b>this</b>,\nagain")
    assert get_sweep(client, sweep)["revision"] > revision
    page = client.get(f"/sweeps/{sweep}").text
    assert "Try &lt;b&gt;this&lt;/b&gt;, again</small>" in page
    copied = client.post("/api/v1/sweeps/import", content=client.get(f"/api/v1/sweeps/{sweep}/export.{ending}").content)
    assert get_trial(client, copied.json()["id"], 1)["note"] == "Try <b>this</b>,\nagain"
    assert client.patch(trial, json={"note": ""}).json()["note"] == ""


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"note": "x" * 1001}, "note"),
        ({"note": None}, "note"),
        ({}, "note"),
        ({"value": 1.0}, "value"),
        ({"note": "\0"}, "note"),
    ],
)
def test_a_trial_takes_no_other_change(client: TestClient, engine: Engine, body: dict[str, Any], loc: str) -> None:
    """The field that is wrong is named, and nothing is stored."""
    sweep = create_grid(engine, 4)
    refused = client.patch(f"/api/v1/sweeps/{sweep}/trials/0", json=body)
    assert refused.status_code == 422
    assert loc in [error["loc"][-1] for error in refused.json()["errors"]]
    assert get_trial(client, sweep, 0)["note"] == ""

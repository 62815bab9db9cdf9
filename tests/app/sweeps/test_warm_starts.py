"""Sweeps that begin with the best configurations of earlier ones."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.domain.states import SweepState
from tests.support.queue_examples import (
    BODY,
    claim,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    success,
    sweep_of,
    trials_of,
)
from tests.support.waiting import wait_until

SPACE = {"hidden_units": 16, "learning_rate": {"low": 0.0001, "high": 1.0, "log": True}, "epochs": 2}


def finished(engine: Engine, values: dict[int, float], **body: Any) -> int:
    """A grid of which the trial of each width has ended with this value."""
    sweep, worker = create_grid(engine, *values, **body), new_worker(engine)
    while claimed := claim(engine, worker):
        finish(engine, sweep, worker, [success(trial.lease, list(values.values())[trial.number]) for trial in claimed])
    return sweep


def post(client: TestClient, warm_start: Any, **changes: Any) -> Any:
    return client.post("/api/v1/sweeps", json=BODY | {"warm_start": warm_start} | changes)


def widths(engine: Engine, sweep: int) -> list[int | None]:
    """Of its trials, by number; None where the sampler has not been asked."""
    return [None if trial.params is None else trial.params["hidden_units"] for trial in trials_of(engine, sweep)]


def test_the_best_of_earlier_sweeps_are_the_first_trials(client: TestClient, engine: Engine) -> None:
    """The sweeps take turns, a configuration comes once, and the budget is what was posted."""
    first = finished(engine, {4: 0.5, 8: 0.9, 16: 0.7})
    second = finished(engine, {8: 0.2, 32: 0.1})
    answer = post(client, [first, second], n_trials=6)
    assert answer.status_code == 201, answer.text
    sweep = answer.json()
    assert widths(engine, sweep["id"]) == [8, 16, 32, 4, None, None]
    assert (sweep["n_trials"], sweep["counts"]["waiting"]) == (6, 6)
    assert sweep["warm_start"] == [first, second]
    assert sweep["warm_started"] == {"trials": 4, "left_out": []}
    trials = client.get(f"/api/v1/sweeps/{sweep['id']}/trials").json()["items"]
    assert [trial["warm_started_from"] for trial in trials] == [first, first, second, first, None, None]
    assert [trial["enqueued"] for trial in trials] == [True] * 4 + [False] * 2


def test_they_are_trained_first(client: TestClient, engine: Engine) -> None:
    """Also where the sampler's trials have parameters and cost more."""
    earlier = finished(engine, {4: 0.9})
    post(client, [earlier], space={"hidden_units": {"low": 4, "high": 64}, "epochs": 2})
    (trial,) = claim(engine, new_worker(engine), max_trials=1)
    assert (trial.number, (trial.params or {})["hidden_units"]) == (0, 4)


def test_no_more_than_were_asked_for(client: TestClient, engine: Engine) -> None:
    """Five where nothing else is said, `trials` where it is, and never more than the sweep has."""
    earlier = finished(engine, {width: width / 100 for width in range(1, 9)})
    starts: list[tuple[Any, int]] = [([earlier], 9), ({"sweeps": [earlier], "trials": 2}, 9), ([earlier], 3)]
    sweeps = [post(client, start, n_trials=n_trials).json() for start, n_trials in starts]
    assert [sweep["warm_started"]["trials"] for sweep in sweeps] == [5, 2, 3]
    assert sweeps[1]["warm_start"] == {"sweeps": [earlier], "trials": 2}


def test_what_does_not_fit_is_left_out_with_its_reason(client: TestClient, engine: Engine) -> None:
    """In the preview as in the answer; a sweep without a complete trial is named too."""
    earlier, empty = finished(engine, {4: 0.5, 128: 0.9, 32: 0.7}), create_grid(engine, 1, 2)
    body = BODY | {"warm_start": [earlier, empty], "constraints": ["parameters <= 1000"]}
    outcome = client.post("/api/v1/sweeps", json=body).json()["warm_started"]
    assert outcome == client.post("/api/v1/sweeps/preview", json=body).json()["warm_started"]
    assert outcome == {
        "trials": 1,
        "left_out": [
            {"sweep": empty, "trial": None, "reason": "no trial is complete yet"},
            {
                "sweep": earlier,
                "trial": 1,
                "reason": "hidden_units must be one of what this sweep tries, 1 to 64, not 128",
            },
            {
                "sweep": earlier,
                "trial": 2,
                "reason": "it breaks the constraint parameters <= 1000: 2,410",
            },
        ],
    }
    assert client.post("/api/v1/sweeps/preview", json=BODY).json()["warm_started"] is None


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        ({"warm_start": [99]}, ["warm_start", "sweeps", 0], "no such sweep"),
        ({"dataset": "fashion_mnist"}, ["warm_start", "sweeps", 0], "must be one on fashion_mnist"),
        (
            {"objective": {"metric": "val_loss", "direction": "minimize"}},
            ["warm_start", "sweeps", 0],
            "minimize val_loss",
        ),
        ({"warm_start": []}, ["warm_start", "sweeps"], "at least 1"),
        ({"warm_start": {"trials": 5}}, ["warm_start", "sweeps"], "is missing"),
        ({"sampler": "grid", "n_trials": None}, ["warm_start"], "leave it out"),
    ],
)
def test_a_sweep_that_can_not_be_begun_with_is_refused(
    client: TestClient, engine: Engine, changes: dict[str, Any], loc: list[Any], words: str
) -> None:
    """422 with its place and what would be right; nothing is stored."""
    earlier = finished(engine, {4: 0.5})
    for path in ("/api/v1/sweeps", "/api/v1/sweeps/preview"):
        answer = client.post(path, json=BODY | {"warm_start": [earlier]} | changes)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["loc"]) == (422, loc)
        assert words in error["msg"]
    assert len(client.get("/api/v1/sweeps").json()["items"]) == 1


def test_a_key_is_answered_after_the_earlier_sweep_is_gone(client: TestClient, engine: Engine) -> None:
    """The same post gives the same sweep, whatever has become of what it began with."""
    earlier = finished(engine, {4: 0.5})
    body, headers = BODY | {"warm_start": [earlier]}, {"Idempotency-Key": "k"}
    sweep = client.post("/api/v1/sweeps", json=body, headers=headers).json()["id"]
    assert client.delete(f"/api/v1/sweeps/{earlier}").status_code == 204
    assert client.post("/api/v1/sweeps", json=body, headers=headers).json()["id"] == sweep


def test_copies_begin_alike(client: TestClient, engine: Engine) -> None:
    """A clone and an imported export have the option, the trials and the whole budget."""
    earlier = finished(engine, {4: 0.5, 8: 0.9})
    sweep = post(client, {"sweeps": [earlier], "trials": 1}).json()
    clone = client.post(f"/api/v1/sweeps/{sweep['id']}/clone", json={}).json()
    export = client.get(f"/api/v1/sweeps/{sweep['id']}/export.json").content
    copy = client.post("/api/v1/sweeps/import", content=export).json()
    for name in ("warm_start", "warm_started", "n_trials"):
        assert clone[name] == copy[name] == sweep[name]
    assert widths(engine, clone["id"]) == widths(engine, copy["id"]) == [8, None, None, None]
    assert [trial.warm_started_from for trial in trials_of(engine, copy["id"])] == [earlier, None, None, None]


def test_a_budget_that_shrinks_drops_them_last(client: TestClient, engine: Engine) -> None:
    """The sampler's trials go first."""
    sweep = post(client, [finished(engine, {4: 0.5, 8: 0.9})]).json()["id"]
    client.patch(f"/api/v1/sweeps/{sweep}", json={"n_trials": 3})
    assert widths(engine, sweep) == [8, 4, None]


def first_values(engine: Engine, **changes: Any) -> list[float]:
    """What the first three trials of such a sweep came to."""
    sweep = create_sweep(engine, space=SPACE, n_trials=6, sampler={"name": "tpe", "n_startup_trials": 1}, **changes)
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed)
    return [trial.value or 0.0 for trial in trials_of(engine, sweep)[:3]]


@pytest.mark.usefixtures("worker")
def test_a_sweep_begins_where_an_earlier_one_ended(engine: Engine) -> None:
    """Its first trials have the earlier best values, and with other seeds still better ones than a cold start."""
    earlier = create_sweep(engine, space=SPACE, n_trials=12)
    wait_until(lambda: sweep_of(engine, earlier).state == SweepState.completed)
    best = sorted((trial.value or 0.0 for trial in trials_of(engine, earlier)), reverse=True)[:3]
    start = {"sweeps": [earlier], "trials": 3}
    assert first_values(engine, warm_start=start) == pytest.approx(best, abs=1e-6)
    assert max(first_values(engine, warm_start=start, seed=1)) > max(first_values(engine, seed=1))

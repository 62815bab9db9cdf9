"""The log of a sweep: each change with the name of its key, beside what happened by itself."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.access import keys
from app.db.engine import transaction
from app.domain.people.roles import Role
from tests.support.queue_examples import claim, complete, expire, failure, finish, let_lapse, new_worker

BODY = {"name": "log", "dataset": "digits", "space": {"hidden_units": [4, 8], "epochs": 1}, "sampler": "grid"}


@pytest.fixture
def ada(client: TestClient, engine: Engine) -> TestClient:
    """Ada, with a key of her own."""
    with transaction(engine) as session:
        token = keys.create(session, "Ada", Role.admin)[1]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def post(client: TestClient, **changes: Any) -> int:
    return int(client.post("/api/v1/sweeps", json=BODY | changes).raise_for_status().json()["id"])


def texts(client: TestClient, sweep: int) -> list[tuple[str | None, str]]:
    """Who and what, the oldest first."""
    items = client.get(f"/api/v1/sweeps/{sweep}/log").raise_for_status().json()["items"]
    return [(item["by"], item["text"]) for item in reversed(items)]


def test_each_call_is_logged_with_its_caller(ada: TestClient) -> None:
    """What changes nothing is not."""
    sweep = post(ada, sampler="random", n_trials=4)
    path = f"/api/v1/sweeps/{sweep}"
    for call in ("pause", "pause", "resume"):
        ada.post(f"{path}/{call}").raise_for_status()
    for body in ({"priority": 5, "name": "log"}, {"n_trials": 6, "notes": "x" * 300}, {"priority": 5}):
        ada.patch(path, json=body).raise_for_status()
    ada.post(f"{path}/trials", json={"params": {"hidden_units": 4}}).raise_for_status()
    for call in ("exclude", "exclude", "include", "cancel", "retry"):
        ada.post(f"{path}/trials/6/{call}").raise_for_status()
    ada.post(f"/sweeps/{sweep}/cancel").raise_for_status()  # the page's button
    ada.post(f"{path}/retry?state=cancelled").raise_for_status()
    copy = ada.post(f"{path}/clone", json={}).raise_for_status().json()["id"]
    log = texts(ada, sweep)
    assert {by for by, _ in log} == {"Ada"}
    assert [text for _, text in log] == [
        "Created with 4 trials",
        "Paused",
        "Resumed",
        "Changed priority 0 to 5",
        "Changed notes; trials 4 to 6",
        "Queued trial 6 by hand",
        "Excluded trial 6",
        "Included trial 6",
        "Cancelled trial 6",
        "Retried trial 6",
        "Cancelled",
        "Retried 7 trials",
    ]
    assert texts(ada, copy) == [("Ada", f"Created with 6 trials, a copy of sweep {sweep}")]


def test_what_happens_by_itself_is_logged_too(ada: TestClient, engine: Engine) -> None:
    """A lost worker, a failed attempt, a stop rule and the end, in nobody's name."""
    sweep = post(ada, stop={"target": 0.1})
    worker = new_worker(engine)
    let_lapse(engine, *(trial.lease for trial in claim(engine, worker)))
    expire(engine)
    first, *_ = claim(engine, worker, 1)
    finish(engine, sweep, worker, [failure(first.lease)])
    complete(engine, sweep, worker, claim(engine, worker))
    log = texts(ada, sweep)
    assert {by for by, _ in log[1:]} == {None}
    assert [text.partition(":")[0].partition(",")[0] for _, text in log[1:]] == [
        log[1][1].partition(",")[0],
        "Stopped by a rule",
        "Ended",
    ]
    assert log[1][1].startswith("Lost worker ")
    assert log[1][1].endswith("2 trials wait again")
    items = ada.get(f"/api/v1/sweeps/{sweep}/log").json()["items"]
    assert [(item["event"], item["trials"]) for item in items[::-1]][1] == ("lost_worker", [0, 1])


def test_a_failed_attempt_says_why(ada: TestClient, engine: Engine) -> None:
    """And at the last one that the trial has failed."""
    from app import queue

    sweep = post(ada, space={"hidden_units": [4], "epochs": 1})
    worker = new_worker(engine)
    for _ in range(3):
        (trial,) = claim(engine, worker)
        with transaction(engine) as session:
            queue.fail_attempt(session, sweep, [trial.lease], "ValueError: no")
    sentences = [text for _, text in texts(ada, sweep)]
    assert sum("failed (ValueError: no): trial 0 waits again" in text for text in sentences) == 2
    assert sentences[-2].endswith("failed (ValueError: no): trial 0 has failed")
    assert sentences[-1] == "Ended: failed"


def test_an_import_is_in_the_name_of_who_sent_it(ada: TestClient) -> None:
    """Although another process reads the file."""
    sweep = post(ada)
    document = ada.get(f"/api/v1/sweeps/{sweep}/export.json").content
    headers = {"Content-Type": "application/json"}
    copy = ada.post("/api/v1/sweeps/import", content=document, headers=headers).raise_for_status().json()["id"]
    assert texts(ada, copy) == [("Ada", f"Imported from a file, sweep {sweep} where it was exported")]


def test_the_log_is_paged_newest_first(ada: TestClient) -> None:
    """Through `after`, each entry once; an unknown sweep is 404; the page shows the same."""
    sweep = post(ada)
    for number in range(1, 6):
        ada.patch(f"/api/v1/sweeps/{sweep}", json={"priority": number}).raise_for_status()
    first = ada.get(f"/api/v1/sweeps/{sweep}/log?limit=4").json()
    second = ada.get(f"/api/v1/sweeps/{sweep}/log?limit=4&after={first['next']}").json()
    entries = [*first["items"], *second["items"]]
    assert [entry["text"] for entry in entries] == [
        *(f"Changed priority {number - 1} to {number}" for number in range(5, 0, -1)),
        "Created with 2 trials",
    ]
    assert second["next"] is None
    assert ada.get("/api/v1/sweeps/77/log").status_code == 404
    page = ada.get(f"/sweeps/{sweep}/log").text
    assert ("Changed priority 4 to 5" in page, page.count("Ada") >= 6) == (True, True)


def test_an_entry_names_so_many_trials_at_most(ada: TestClient) -> None:
    """Its words say how many they were."""
    sweep = post(ada, space={"learning_rate": {"low": 0.1, "high": 1.0}}, sampler="random", n_trials=1_002)
    for call in ("cancel", "retry?state=cancelled"):
        ada.post(f"/api/v1/sweeps/{sweep}/{call}").raise_for_status()
    newest, *_ = ada.get(f"/api/v1/sweeps/{sweep}/log").json()["items"]
    assert (newest["text"], newest["trials"]) == ("Retried 1,002 trials", [*range(1_000)])


def test_without_keys_the_log_has_no_names(client: TestClient) -> None:
    """Nobody says who he is."""
    sweep = post(client)
    assert texts(client, sweep) == [(None, "Created with 2 trials")]


def test_what_is_done_to_several_sweeps_is_logged_with_its_caller(ada: TestClient) -> None:
    """In the log of each."""
    sweeps = [post(ada), post(ada)]
    ada.post("/sweeps/bulk", data={"call": "pause", "sweep": sweeps}).raise_for_status()
    assert [texts(ada, sweep)[-1] for sweep in sweeps] == [("Ada", "Paused"), ("Ada", "Paused")]

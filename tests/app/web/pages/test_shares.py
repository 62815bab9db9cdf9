"""Shared links: one sweep or one run of an exercise is shown, and nothing else is."""

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.access import keys
from app.config import Settings
from app.db.engine import transaction
from app.domain.people.roles import Role
from app.service.up import Service
from app.sweeps import deletion
from app.web.security.gate import COOKIE
from app.web.security.roles import needed_role
from tests.app.web.security.test_roles import TABLE, filled
from tests.support.queue_examples import change, claim, complete, create_grid, create_timing, new_worker
from tests.support.sweeps.earlier_versions import CIRCUMSTANCES
from tests.support.sweeps.measured_sweeps import a_sweep
from tests.support.waiting import wait_until

HTML = {"Accept": "text/html"}
NOTHING = "This link shows nothing: it has expired, was ended, or is not whole."


@pytest.fixture
def sweeps(engine: Engine) -> tuple[int, int]:
    """Two completed sweeps: one to share, one that is nobody's business."""
    worker = new_worker(engine)
    numbers = []
    for name in ("shared", "a secret"):
        numbers.append(create_grid(engine, 4, 8, name=name))
        complete(engine, numbers[-1], worker, claim(engine, worker))
    return numbers[0], numbers[1]


@pytest.fixture
def ada(client: TestClient, engine: Engine) -> TestClient:
    """Ada, with a key that may write."""
    with transaction(engine) as session:
        client.headers["Authorization"] = f"Bearer {keys.create(session, 'Ada', Role.write)[1]}"
    return client


@pytest.fixture
def guest(ada: TestClient) -> TestClient:
    """Somebody without a key."""
    return TestClient(ada.app, base_url="http://localhost", follow_redirects=False)


def share(ada: TestClient, path: str, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = ada.post(f"/api/v1{path}/share", json=body).raise_for_status().json()
    return made


def test_a_link_shows_its_sweep(ada: TestClient, guest: TestClient, sweeps: tuple[int, int]) -> None:
    """Page, charts and trials, kept by nobody and told to no other site; no cookie is left."""
    made = share(ada, f"/sweeps/{sweeps[0]}", days=7)
    assert made["url"] == f"http://localhost/s/{made['token']}"
    page = guest.get(f"/s/{made['token']}", headers=HTML)
    assert (page.status_code, "shared" in page.text, "a secret" in page.text) == (200, True, False)
    assert [page.headers[name] for name in ("referrer-policy", "cache-control", "x-robots-tag")] == [
        "no-referrer",
        "no-store",
        "noindex",
    ]
    assert "set-cookie" not in page.headers
    for chart in ("effect?x=hidden_units", "history", "curves"):
        assert f"/s/{made['token']}/charts/{chart.partition('?')[0]}" in page.text or chart == "curves"
        assert guest.get(f"/s/{made['token']}/charts/{chart}").json()["data"] is not None
    assert len(guest.get(f"/s/{made['token']}/trials").json()["items"]) == 2
    assert guest.get(f"/s/{made['token']}/report.html").status_code == 404


def test_a_link_names_no_machine(ada: TestClient, guest: TestClient, engine: Engine) -> None:
    """Workers have numbers there, also where whoever has a key looked at the same chart before."""
    worker = new_worker(engine, "ada-laptop")
    sweep = create_grid(engine, 4, 8)
    complete(engine, sweep, worker, claim(engine, worker))
    path = httpx2.URL(share(ada, f"/sweeps/{sweep}")["url"]).path
    for query in ("", "?format=html"):
        own = ada.get(f"/api/v1/sweeps/{sweep}/charts/timeline{query}").text
        shared = guest.get(f"{path}/charts/timeline{query}").text
        assert "ada-laptop, process 1" in own
        assert "ada-laptop" not in shared
        assert "worker 1" in shared


def test_a_link_s_trials_name_no_machine_and_have_no_notes(
    ada: TestClient, guest: TestClient, sweeps: tuple[int, int], engine: Engine
) -> None:
    """Where a timing was measured, and what people wrote to it, is for those who have a key."""
    with transaction(engine) as session:
        facts = "UPDATE trials SET note = 'for Ada', circumstances = CAST(:facts AS jsonb)"
        session.execute(text(facts), {"facts": json.dumps(CIRCUMSTANCES)})
    own = ada.get(f"/api/v1/sweeps/{sweeps[0]}/trials").json()["items"]
    shared = guest.get(f"{httpx2.URL(share(ada, f'/sweeps/{sweeps[0]}')['url']).path}/trials").json()["items"]
    assert {(trial["note"], trial["circumstances"]["host"]) for trial in own} == {("for Ada", CIRCUMSTANCES["host"])}
    assert {(trial["note"], trial["circumstances"]["host"]) for trial in shared} == {("", "")}
    assert shared[0]["circumstances"]["processor"] == CIRCUMSTANCES["processor"]


def test_a_link_says_which_trial_is_the_best_and_why_others_failed(ada: TestClient, engine: Engine) -> None:
    """In the table, where somebody without a key can open no trial."""
    sweep = a_sweep(engine, [[0.5, 0.52], [0.9, 0.92], [0.1, None]])
    page = ada.get(httpx2.URL(share(ada, f"/sweeps/{sweep}")["url"]).path, headers=HTML).text
    rows = rows_of(page)
    assert [number for number, row in rows.items() if "★" in row] == ["1"]
    assert [number for number, row in rows.items() if "Diverged at epoch 1" in row] == ["2"]
    assert "measured by validation accuracy" in page


def rows_of(page: str) -> dict[str, str]:
    """The rows of the table of trials by number, in its order."""
    return dict(re.findall(r'<tbody id="trial-(\d+)"[^>]*>(.*?)</tbody>', page, re.S))


def test_a_link_shows_trials_as_the_page_of_the_sweep_does(ada: TestClient, engine: Engine) -> None:
    """The best first, 25 on a page, and told apart where the user left one out."""
    sweep = a_sweep(engine, [[number / 100, number / 100] for number in range(30)], split="book")
    with transaction(engine) as session:
        session.execute(
            text("UPDATE trials SET excluded = true WHERE sweep_id = :sweep AND number = 28"), {"sweep": sweep}
        )
    path = httpx2.URL(share(ada, f"/sweeps/{sweep}")["url"]).path
    page = ada.get(path, headers=HTML).text
    rows = rows_of(page)
    assert [*rows] == [str(number) for number in range(29, 4, -1)]
    assert [number for number, row in rows.items() if "excluded" in row] == ["28"]
    assert "Book split." in page
    assert f'href="{path}?after=25"' in page
    assert [*rows_of(ada.get(f"{path}?after=25", headers=HTML).text)] == ["4", "3", "2", "1", "0"]


def test_a_link_to_a_timing_names_what_it_times(ada: TestClient, engine: Engine) -> None:
    """It takes no data, and trains nothing that could be fair or not."""
    sweep = create_timing(engine, 1)
    page = ada.get(httpx2.URL(share(ada, f"/sweeps/{sweep}")["url"]).path, headers=HTML).text
    assert ("time_matmul" in page, "fashion_mnist" in page, "timed alone" in page) == (True, False, True)


def test_a_link_says_of_how_many_runs_the_best_is_and_how_often_the_test_was_looked_at(
    ada: TestClient, engine: Engine
) -> None:
    """Past the first look the score is a little too good, which whoever has the link is to know."""
    sweep = a_sweep(engine, [[0.5, 0.52], [0.9, 0.92]])
    looks = [
        {"at": "2026-01-01T00:00:00+00:00", "number": number, "runs": 2, "test_accuracy": accuracy}
        for number, accuracy in ((0, 0.5), (1, 0.75))
    ]
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET test_accuracy = 0.75"))
        session.execute(text("UPDATE sweeps SET test_scores = CAST(:looks AS jsonb)"), {"looks": json.dumps(looks)})
    page = ada.get(httpx2.URL(share(ada, f"/sweeps/{sweep}")["url"]).path, headers=HTML).text
    assert "Best configuration (2 runs)" in page
    assert "0.7500" in page
    assert "the last of 2 looks" in page


def test_a_link_opens_nothing_else(ada: TestClient, guest: TestClient, sweeps: tuple[int, int]) -> None:
    """Every route is asked for with the token, as a key and as a cookie: those of the link alone answer."""
    token = share(ada, f"/sweeps/{sweeps[0]}")["token"]
    guest.cookies.set(COOKIE, token)
    for call in TABLE:
        method, path = filled(call).replace("999999", str(sweeps[0])).split(" ")
        if needed_role(method, path) is not None:
            answer = guest.request(method, path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in {401, 429}, call
    for method in ("POST", "PATCH", "DELETE", "PUT"):
        assert guest.request(method, f"/s/{token}").status_code == 405
    for path in ("/export.json", "/log", "/shares", "/sweeps/2", "/../../sweeps/2", "/trials/0/model", "/deliveries"):
        assert guest.get(f"/s/{token}{path}").status_code in {401, 404}, path


def test_a_link_ends(ada: TestClient, guest: TestClient, sweeps: tuple[int, int], engine: Engine) -> None:
    """By its number, by its token, by time, and with its sweep; the list has what is valid, without tokens."""
    path = f"/sweeps/{sweeps[0]}"
    first, second, third, fourth = (share(ada, path) for _ in range(4))
    assert ada.delete(f"/api/v1/shares/{first['id']}").status_code == 204
    assert ada.delete(f"/api/v1/shares/{second['token']}").status_code == 204
    assert ada.delete(f"/api/v1/shares/{second['token']}").status_code == 404
    with transaction(engine) as session:
        session.execute(text("UPDATE shares SET expires_at = now() WHERE id = :id"), {"id": third["id"]})
    for ended in (first, second, third):
        answer = guest.get(f"/s/{ended['token']}")
        assert (answer.status_code, answer.json()["detail"]) == (404, NOTHING)
    (item,) = ada.get(f"/api/v1{path}/shares").json()["items"]
    assert (item["id"], item["created_by"], "token" in item) == (fourth["id"], "Ada", False)
    log_texts = [entry["text"] for entry in ada.get(f"/api/v1{path}/log").json()["items"]]
    assert log_texts.count("Made a link that shows it for 30 days") == 4
    assert log_texts.count("Ended a link that showed it") == 2
    assert ada.delete(f"/api/v1{path}").status_code == 204
    assert guest.get(f"/s/{fourth['token']}").status_code == 404


def test_a_link_shows_a_run_of_an_exercise(ada: TestClient, guest: TestClient) -> None:
    """Question, charts and report; trials of single sweeps are no part of it, nor is another exercise's run."""
    run = ada.post("/api/v1/exercises/1/runs", json={"preset": "quick"}).raise_for_status().json()["id"]
    token = share(ada, f"/exercises/1/runs/{run}")["token"]
    page = guest.get(f"/s/{token}", headers=HTML)
    assert (page.status_code, "The answer so far" in page.text) == (200, True)
    chart = ada.get("/api/v1/exercises/1").json()["charts"][0]["name"]
    assert guest.get(f"/s/{token}/charts/{chart}").status_code == 200
    assert guest.get(f"/s/{token}/report.html").headers["content-type"].startswith("text/html")
    assert guest.get(f"/s/{token}/trials").status_code == 404
    assert ada.post(f"/api/v1/exercises/2/runs/{run}/share", json={}).status_code == 404
    (item,) = ada.get(f"/api/v1/exercises/1/runs/{run}/shares").json()["items"]
    assert item["exercise_run_id"] == run


def test_its_events_are_its_sweep_s_alone(settings: Settings, engine: Engine) -> None:
    """Others change too and are not told of; when the link is ended, so is the stream."""
    shared, other = create_grid(engine, 4), create_grid(engine, 8)
    with Service(settings) as service, httpx2.Client(base_url=service.url, timeout=30) as api:
        made = api.post(f"/api/v1/sweeps/{shared}/share", json={}).json()
        seen = []
        with api.stream("GET", f"/s/{made['token']}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith(":"):
                    change(engine, other, "pause")
                    change(engine, shared, "pause")
                if line.startswith("data:"):
                    seen.append(line)
                    if len(seen) == 1:
                        api.delete(f"/api/v1/shares/{made['id']}").raise_for_status()
                        change(engine, shared, "resume")
    assert seen
    assert all(f'"id":{shared},' in line.replace(" ", "") for line in seen)


def test_no_token_is_in_the_log(
    ada: TestClient, guest: TestClient, sweeps: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where the server has a bug."""
    caplog.set_level(logging.INFO)
    token = share(ada, f"/sweeps/{sweeps[0]}")["token"]

    def boom() -> None:
        raise ZeroDivisionError

    ada.app.add_api_route("/s/{any_token}/boom", boom)  # type: ignore[attr-defined]
    assert guest.get(f"/s/{token}/boom").status_code == 500
    assert "unexpected error at GET /s/…" in caplog.text
    assert not any(token in record.getMessage() for record in caplog.records if record.name.startswith("app"))


def test_the_dialog_makes_and_ends_links(ada: TestClient, sweeps: tuple[int, int]) -> None:
    """Its page works without scripts too; a number of days that can't be is 422."""
    path = f"/sweeps/{sweeps[0]}/shares"
    made = ada.post(path, data={"days": "7"}, headers=HTML)
    assert (made.status_code, "http://localhost/s/share_" in made.text) == (201, True)
    assert "share_" not in ada.get(path, headers=HTML).text
    for days in ("0", "9" * 5_000):
        assert ada.post(path, data={"days": days}, headers=HTML).status_code == 422
    assert "End it" not in ada.post(f"{path}/1/end", headers=HTML).text
    assert ada.post(f"/api/v1/sweeps/{sweeps[0]}/share", json={"days": 1000}).status_code == 422
    assert ada.post("/api/v1/sweeps/77/share", json={}).status_code == 404


@pytest.mark.parametrize("call", ["make", "end"])
def test_a_link_to_a_sweep_that_is_being_deleted(
    ada: TestClient, sweeps: tuple[int, int], engine: Engine, call: str
) -> None:
    """Who makes or ends it at this moment is told that it is gone."""
    path = f"/api/v1/sweeps/{sweeps[0]}"
    made = share(ada, f"/sweeps/{sweeps[0]}")
    with ThreadPoolExecutor(1) as threads, transaction(engine) as session:
        deletion.delete(session, sweeps[0])
        session.flush()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        if call == "make":
            answer = threads.submit(ada.post, f"{path}/share", json={"days": 1})
        else:
            answer = threads.submit(ada.delete, f"/api/v1/shares/{made['id']}")
        wait_until(lambda: bool(session.scalar(text(waiting))))
        session.commit()
        assert answer.result(60).status_code == 404

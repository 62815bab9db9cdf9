"""Charts are drawn and sweeps planned a few at a time: however many are asked for, all else is answered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.tables import Sweep
from app.errors import ConflictError
from app.queries import chart_rows
from app.sweeps import previews
from app.web.security import drawings, places, plans
from tests.support.sweeps.measured_sweeps import a_sweep
from tests.support.waiting import wait_until
from tests.support.web.keys import bearer, make_key


def test_so_many_charts_are_drawn_at_once(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further ones are 503 after a while, with the time to wait; lists and pages are answered all along."""
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.1)
    path = f"/api/v1/sweeps/{a_sweep(engine, [[0.5], [0.9]])}"
    begun, going_on, read_rows = list[int](), threading.Event(), chart_rows.chart_rows

    def read_later(*arguments: Any, **options: Any) -> Any:
        begun.append(1)
        going_on.wait(60)
        return read_rows(*arguments, **options)

    monkeypatch.setattr(chart_rows, "chart_rows", read_later)
    with ThreadPoolExecutor() as threads:
        tops = range(1, drawings.MAX_DRAWINGS + 3)  # each is another chart
        answers = [threads.submit(client.get, f"{path}/charts/history?top={top}") for top in tops]
        wait_until(lambda: sum(answer.done() for answer in answers) == 2)
        refusals = [answer.result() for answer in answers if answer.done()]
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in refusals] == [(503, "5")] * 2
        wait_until(lambda: len(begun) == drawings.MAX_DRAWINGS)
        assert client.get(path).status_code == 200
        going_on.set()
        assert sorted(answer.result(60).status_code for answer in answers) == [200] * len(begun) + [503] * 2


def test_one_key_leaves_a_place_to_others(
    client: TestClient, admin: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many charts are asked for with it."""
    path = f"/api/v1/sweeps/{a_sweep(engine, [[0.5], [0.9]])}/charts/history"
    busy_key = bearer(make_key(client, admin, name="Bob", role="read")["key"])
    begun, going_on, read_rows = list[int](), threading.Event(), chart_rows.chart_rows

    def read_later(*arguments: Any, **options: Any) -> Any:
        if not going_on.is_set():
            begun.append(1)
            going_on.wait(60)
        return read_rows(*arguments, **options)

    monkeypatch.setattr(chart_rows, "chart_rows", read_later)
    with ThreadPoolExecutor(drawings.MAX_DRAWINGS + 2) as threads:
        tops = range(1, drawings.MAX_DRAWINGS + 2)
        answers = [threads.submit(client.get, f"{path}?top={top}", headers=busy_key) for top in tops]
        wait_until(lambda: len(begun) == drawings.MAX_DRAWINGS)
        answers.append(threads.submit(client.get, f"{path}?top=50", headers=bearer(admin)))
        wait_until(lambda: len(begun) == drawings.MAX_DRAWINGS + 1)
        going_on.set()
        assert {answer.result(60).status_code for answer in answers} == {200}


def test_so_many_sweeps_are_planned_at_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview may take a second: with many of them at once all else is answered, and further ones are 503."""
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.1)
    begun, going_on = list[int](), threading.Event()

    def preview_later(*_: Any) -> None:
        begun.append(1)
        going_on.wait(60)
        raise ConflictError("Nothing is known of it.")

    monkeypatch.setattr(previews, "preview", preview_later)
    body = {"name": "a", "space": {}, "n_trials": 1}
    with ThreadPoolExecutor(plans.MAX_PLANS + 2) as threads:
        count = range(plans.MAX_PLANS + 2)
        answers = [threads.submit(client.post, "/api/v1/sweeps/preview", json=body) for _ in count]
        wait_until(lambda: sum(answer.done() for answer in answers) == 2)
        wait_until(lambda: len(begun) == plans.MAX_PLANS)
        assert client.get("/api/v1/sweeps").status_code == 200
        going_on.set()
        assert sorted(answer.result(60).status_code for answer in answers) == [409] * plans.MAX_PLANS + [503] * 2


@pytest.mark.parametrize("kind", ["charts/history?top={}", "what-matters?age={}"])
def test_of_large_sweeps_one_chart_is_drawn_at_a_time(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Others wait for it, for so long and no longer; those of small ones do not."""
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(drawings, "LARGE_TRIALS", 2)
    large = [a_sweep(engine, [[0.5], [0.9]]) for _ in range(2)]
    small = a_sweep(engine, [[0.5]])
    begun, going_on, measure = list[int](), threading.Event(), chart_rows.measured_sweep

    def measure_later(session: Session, sweep: Sweep, **options: Any) -> Any:
        if sweep.id in large:
            begun.append(1)
            going_on.wait(60)
        return measure(session, sweep, **options)

    monkeypatch.setattr(chart_rows, "measured_sweep", measure_later)
    place = "/api/v1" if kind.startswith("charts") else ""
    with ThreadPoolExecutor() as threads:
        paths = [f"{place}/sweeps/{sweep}/{kind.format(50)}" for sweep in large]
        answers = [threads.submit(client.get, path) for path in paths]
        wait_until(lambda: any(answer.done() for answer in answers))
        (refusal,) = [answer.result() for answer in answers if answer.done()]
        assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "5")
        assert client.get(f"/api/v1/sweeps/{small}/charts/history").status_code == 200
        assert len(begun) == 1
        going_on.set()
        assert sorted(answer.result(60).status_code for answer in answers) == [200, 503]


def test_of_large_sweeps_one_page_is_read_through_a_lens_at_a_time(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reads all trials: sixteen at once took half a gigabyte. Without a lens nobody waits."""
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(drawings, "LARGE_TRIALS", 2)
    large, small = a_sweep(engine, [[0.5], [0.9]]), a_sweep(engine, [[0.5]])
    with client.app.state.drawings.one_of(2):  # type: ignore[attr-defined]
        statuses = [client.get(f"/sweeps/{path}").status_code for path in (f"{large}?top=50", large, f"{small}?top=50")]
    assert statuses == [503, 200, 200]
    assert client.get(f"/sweeps/{large}?top=50").status_code == 200

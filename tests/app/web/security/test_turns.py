"""Turns: however many calls are made with one key, those of others are answered."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx2 import Response

from app import queries
from app.errors import ConflictError
from app.web.security import turns
from tests.support.waiting import wait_until
from tests.support.web.keys import bearer, make_key

MANY = 60  # more than a server has threads

# Calls whose places are those of files and of networks that are read.
_TRIAL = "/api/v1/sweeps/{sweep_id}/trials/{number}"
FILES = {f"GET /api/v1/sweeps/{{sweep_id}}/export.{kind}" for kind in ("csv", "parquet", "json")} | {
    f"GET {_TRIAL}/model",
    f"POST {_TRIAL}/predict",
    "POST /api/v1/datasets",
    "POST /api/v1/datasets/preview",
    "POST /api/v1/sweeps/import",
    "POST /datasets/preview",
    "POST /sweeps/import",
}


class Held:
    """Summaries of sweeps that are asked for and not answered before they may be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = list[int]()
        self.may_end = threading.Event()
        monkeypatch.setattr(turns, "WAIT_SECONDS", 0.1)
        monkeypatch.setattr(queries, "summary", self._summary)

    def _summary(self, *_: Any) -> None:
        self.begun.append(1)
        self.may_end.wait(60)
        raise ConflictError("It is gone.")

    def statuses(self, answers: Sequence[Future[Response]]) -> list[int]:
        """Those of the answers, now that all may end."""
        self.may_end.set()
        return [answer.result(60).status_code for answer in answers]


def test_one_key_leaves_threads_to_others(client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its further calls wait for their turn, and are refused after a while."""
    busy_key, held = bearer(make_key(client, admin, name="Bob", role="read")["key"]), Held(monkeypatch)
    with ThreadPoolExecutor(MANY) as threads:
        answers = [threads.submit(client.get, "/api/v1/sweeps/1", headers=busy_key) for _ in range(MANY)]
        wait_until(lambda: sum(answer.done() for answer in answers) == MANY - turns.MAX_TURNS)
        refusals = [answer.result() for answer in answers if answer.done()]
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in refusals} == {(503, "5")}
        assert client.get("/api/v1/sweeps", headers=bearer(admin)).status_code == 200
        statuses = held.statuses(answers)
    assert (len(held.begun), statuses.count(409)) == (turns.MAX_TURNS, turns.MAX_TURNS)


def test_many_keys_leave_threads_and_connections_for_what_ends_their_calls(
    client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of many keys hold few connections, so that none waits for a thread which waits for a connection."""
    keys = [bearer(make_key(client, admin, name=f"Bob {number}", role="read")["key"]) for number in range(MANY // 10)]
    held = Held(monkeypatch)
    with ThreadPoolExecutor(MANY) as threads:
        answers = [threads.submit(client.get, "/api/v1/sweeps/1", headers=key) for key in keys for _ in range(10)]
        wait_until(lambda: sum(answer.done() for answer in answers) == MANY - turns.MAX_TURNS_OF_ALL)
        assert client.get("/api/v1/sweeps", headers=bearer("wrong")).status_code == 401
        statuses = held.statuses(answers)
    assert (len(held.begun), statuses.count(409)) == (turns.MAX_TURNS_OF_ALL, turns.MAX_TURNS_OF_ALL)


def test_every_call_takes_a_turn_but_those_that_wait_for_a_place(client: TestClient) -> None:
    """Whatever else a path is for: who makes a model or lists data sets needs a thread at once, as links do."""
    assert isinstance(client.app, FastAPI)
    served = [*places(client.app.routes)]
    turnless = {f"{method} {path}" for method, path, _ in served if not takes_turn(method, path)}
    with_place = {f"{method} {path}" for method, path, has_place in served if has_place}
    assert {"GET /sweeps/{sweep_id}/what-matters", "POST /sweeps/{sweep_id}/widen"} < with_place
    assert {"GET /s/{token}/events", "PATCH /api/v1/sweeps/{sweep_id}"} < with_place
    assert turnless == with_place | FILES | {f"POST {path}" for _, path, _ in served if "/api/v1/worker/" in path}


def test_a_name_makes_no_place() -> None:
    """A data set may be called as a call is."""
    assert takes_turn("GET", "/api/v1/datasets/events")
    assert takes_turn("GET", "/datasets/export.csv")


def takes_turn(method: str, path: str) -> bool:
    """Whether a call of somebody with a key, or a link, waits for its turn."""
    state = {} if path.startswith("/s/") else {"caller": None}
    return turns.needs_turn({"type": "http", "method": method, "path": path, "state": state})


def places(entries: Iterable[Any]) -> Iterator[tuple[str, str, bool]]:
    """Of every call the method, the path, and whether it waits for a place before all else."""
    for entry in entries:
        router = getattr(entry, "original_router", None)
        if router is not None:
            yield from places(router.routes)
        elif isinstance(entry, APIRoute):
            has_place = any("place" in str(depends.dependency) for depends in entry.dependencies)
            yield from ((method, entry.path, has_place) for method in entry.methods or ())

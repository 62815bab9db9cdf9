"""Bodies of requests: as many are in memory as there is room for, and none comes as slowly as its client likes."""

import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.broker.wire import VERSION_HEADER, memory_of
from app.config import Settings
from app.db.migrations import program_version
from app.errors import ConflictError
from app.files import prediction
from app.service.up import Service
from app.web.app import create_app
from app.web.security import bodies, room
from tests.support.queue_examples import create_sweep
from tests.support.waiting import wait_until
from tests.support.web.keys import bearer, make_key

PATH = "/api/v1/sweeps/1/trials/0/predict"
LARGE = b'{"rows": [[' + b"[]," * 10_000 + b"1]]}"  # which takes a hundred times as much once it is read


@pytest.fixture
def crowded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """A server with room for one such body of a key, and for two of all."""
    monkeypatch.setattr(bodies, "VALUE_BYTES", 2 * memory_of(LARGE))
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.1)
    return create_app(settings)


def test_what_is_in_bodies_takes_so_much_memory(crowded: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further one is told to come again, of another key it is read; small ones are answered all along."""
    begun, going_on = list[int](), threading.Event()

    def answer_later(*_: Any) -> None:
        begun.append(1)
        going_on.wait(60)
        raise ConflictError("There is no such network.")

    monkeypatch.setattr(prediction, "predict", answer_later)
    with TestClient(crowded, base_url="http://localhost") as client, ThreadPoolExecutor() as threads:
        admin = client.post("/api/v1/keys", json={"name": "Ada", "role": "admin"}).json()["key"]
        kinds = {"Content-Type": "application/json"}
        ada, bob = kinds | bearer(admin), kinds | bearer(make_key(client, admin, name="Bob", role="read")["key"])
        first = threads.submit(client.post, PATH, content=LARGE, headers=bob)
        wait_until(lambda: len(begun) == 1)
        refusal = client.post(PATH, content=LARGE, headers=bob)
        assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "5")
        assert refusal.json()["detail"].startswith("What others have sent takes all the memory")
        assert client.post("/api/v1/sweeps/preview", json={}, headers=bob).status_code == 422
        second = threads.submit(client.post, PATH, content=LARGE, headers=ada)
        wait_until(lambda: len(begun) == 2)
        going_on.set()
        assert [answer.result(60).status_code for answer in (first, second)] == [409] * 2
        assert client.post(PATH, content=LARGE, headers=bob).status_code == 409


def test_a_body_of_very_many_values_is_not_read(client: TestClient) -> None:
    """Nobody else is answered while that is done."""
    content = b'{"rows": [[' + b"[]," * (bodies.MAX_MARKS // 2) + b"1]]}"
    answer = client.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "A body may have at most 500,000 values: send it in parts.",
    )


@pytest.mark.parametrize(
    ("media_type", "content", "refusal"),
    [
        ("application/x-www-form-urlencoded", b"&" * 4_000_000, "A form may have at most 1,000 fields."),
        ("application/x-www-form-urlencoded", b"name=1;" * 500_000, "A form may have at most 1,000 fields."),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\n' + b"\r\n--Bx" * 600_000,
            "A form in parts may have at most 16 KiB here: send it URL-encoded.",
        ),
    ],
    ids=["separators", "fields", "boundaries"],
)
def test_a_form_that_takes_long_to_read_is_not_read(
    client: TestClient, media_type: str, content: bytes, refusal: str
) -> None:
    """Byte by byte that takes seconds, in which nobody else is answered."""
    answer = client.post("/sweeps/new/preview", content=content, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["detail"]) == (413, refusal)


def test_a_long_form_is_read(client: TestClient, engine: Engine) -> None:
    """Notes may be long."""
    sweep_id = create_sweep(engine)
    notes = "é&;" * 3_000
    assert client.post(f"/sweeps/{sweep_id}/notes", data={"notes": notes}, follow_redirects=False).status_code == 303
    assert client.get(f"/api/v1/sweeps/{sweep_id}").json()["notes"] == notes


def test_a_body_that_comes_too_slowly_is_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, with what would be right."""
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.2)
    with Service(settings) as service:
        address = urlsplit(service.url)
        with closing(socket.create_connection((address.hostname, address.port), timeout=20)) as slow:
            head = f"POST /api/v1/sweeps HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {2**20}\r\n"
            slow.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
            answer = HTTPResponse(slow)
            answer.begin()
            assert answer.status == 408
            assert b"The body comes too slowly: send 64 KiB a second, or a smaller one." in answer.read()


@pytest.mark.parametrize("path", ["/api/v1/sweeps", "/api/v1/sweeps/import", "/api/v1/worker/{}/live_workers"])
def test_who_leaves_in_the_middle_of_a_body_is_no_bug(
    settings: Settings, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A page that is closed while it sends a file, or a worker that is killed: one line, and no error of the server."""
    with Service(settings) as service:
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as leaving:
            head = f"POST {path.format(uuid4())} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {2**20}\r\n"
            leaving.sendall(f"{head}{VERSION_HEADER}: {program_version()}\r\n\r\n{{".encode())
        wait_until(lambda: any("POST" in record.getMessage() for record in caplog.records))
    lines = [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert len(lines) == 1
    assert "no answer" in lines[0]


@pytest.mark.parametrize("size", [2**20, bodies.MAX_BODY_BYTES + 1])
def test_a_body_that_does_not_say_how_long_it_is(client: TestClient, size: int) -> None:
    """Is read as any other, up to as many bytes as any other may have."""
    content = (piece for piece in (b'{"name": "', b"a" * (size - 12), b'"}'))
    answer = client.post("/api/v1/sweeps", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == (413 if size > bodies.MAX_BODY_BYTES else 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_those_that_read_their_bodies_themselves_are_known(client: TestClient) -> None:
    """What takes more than a body may have is a file, or of a worker."""
    assert isinstance(client.app, FastAPI)
    large = {path for path, limit in limits(client.app.routes) if limit > bodies.MAX_BODY_BYTES}
    assert "/api/v1/datasets" in large
    assert [path for path in large if not bodies.STREAMED.fullmatch(path)] == []


def limits(entries: Iterable[Any]) -> Iterator[tuple[str, int]]:
    """Of every route the path, and the most bytes that its body may have."""
    for entry in entries:
        router = getattr(entry, "original_router", None)
        if router is not None:
            yield from limits(router.routes)
        elif (limit := getattr(entry, "max_body_size", None)) is not None:
            yield str(entry.path), limit


@pytest.mark.parametrize("path", ["/api/v1/sweeps/preview", "/sweeps/import", "/login"])
def test_a_body_has_one_length(client: TestClient, path: str) -> None:
    """It would come by one of them, and there would be room for the other."""
    sent = {"Content-Type": "application/json", "Content-Length": "1", "Transfer-Encoding": "chunked"}
    refusal = client.post(path, content=b"{}", headers=sent)
    assert (refusal.status_code, refusal.json()["detail"]) == (
        422,
        "A request says how long its body is by Content-Length or by Transfer-Encoding, not by both.",
    )

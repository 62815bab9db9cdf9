"""Downloads that nobody reads to their end: none of them keeps anything."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import Engine

from app.config import Settings
from app.service.up import Service
from app.web import downloads
from tests.support.queue_examples import claim, complete, create_grid, create_sweep, new_worker
from tests.support.waiting import wait_until
from tests.support.worker_processes import open_transactions

TRIALS = 20_000  # more than fits into the buffers of a connection


@pytest.fixture
def quiet_server(settings: Settings) -> Iterator[str]:
    """The base URL of a real server without workers."""
    with Service(settings) as service:
        yield service.url


def begun_download(server: str, sweep: int, ending: str = "json") -> socket.socket:
    """A connection on which a download has begun, of which nothing more is read."""
    address = urlsplit(server)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    path = f"/api/v1/sweeps/{sweep}/export.{ending}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    assert connection.recv(12).startswith(b"HTTP/1.1 ")
    return connection


def test_cancelled_downloads_leave_nothing_behind(quiet_server: str, engine: Engine) -> None:
    """After more of each kind than there are places every call works, no transaction is open, and a whole one comes."""
    sweep = create_sweep(engine, n_trials=TRIALS)
    for ending in ("json", "csv", "parquet") * (downloads.MAX_DOWNLOADS + 2):
        begun_download(quiet_server, sweep, ending).close()
    wait_until(lambda: open_transactions(engine) == 0, 30)
    with httpx2.Client(base_url=quiet_server, timeout=20) as client:
        for path in ("/api/v1/sweeps", f"/api/v1/sweeps/{sweep}", "/readyz", f"/sweeps/{sweep}"):
            assert client.get(path).status_code == 200
        answer = client.get(f"/api/v1/sweeps/{sweep}/export.json")
        assert len(answer.json()["trials"]) == TRIALS


def test_a_place_is_waited_for(quiet_server: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all places are taken, a further download is 503 and says when to come again; every other call works."""
    monkeypatch.setattr(downloads, "WAIT_SECONDS", 0.2)
    sweep = create_sweep(engine, n_trials=TRIALS)
    with ExitStack() as connections, httpx2.Client(base_url=quiet_server, timeout=20) as client:
        for _ in range(downloads.MAX_DOWNLOADS):
            connections.enter_context(begun_download(quiet_server, sweep))
        refusal = client.get(f"/api/v1/sweeps/{sweep}/export.json")
        assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "5")
        assert refusal.json()["detail"].startswith("Other downloads are under way")
        assert client.get(f"/api/v1/sweeps/{sweep}").status_code == 200


def test_a_model_takes_a_place_too(quiet_server: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have hundreds of megabytes."""
    monkeypatch.setattr(downloads, "WAIT_SECONDS", 0.2)
    model, worker_id = create_grid(engine, 1), new_worker(engine)
    complete(engine, model, worker_id, claim(engine, worker_id))
    sweep = create_sweep(engine, n_trials=TRIALS)
    with ExitStack() as connections, httpx2.Client(base_url=quiet_server, timeout=20) as client:
        for _ in range(downloads.MAX_DOWNLOADS):
            connections.enter_context(begun_download(quiet_server, sweep))
        assert client.get(f"/api/v1/sweeps/{model}/trials/0/model").status_code == 503


def test_a_download_that_is_not_read_is_ended(
    quiet_server: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction too, though its client stays connected."""
    monkeypatch.setattr(downloads, "PIECE_SECONDS", 0.3)
    with begun_download(quiet_server, create_sweep(engine, n_trials=TRIALS)):
        wait_until(lambda: open_transactions(engine) == 0, 30)

"""Clients that keep a connection without using it: it is ended, and nobody else notices."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import Engine

from app.config import Settings
from app.service import http_protocol
from app.service.up import Service
from tests.support.paths import ROOT
from tests.support.queue_examples import change, create_sweep
from tests.support.waiting import wait_until

HEAD = b"POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def impatient_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The base URL of a real server that waits for nobody, and for 40 connections only."""
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 40)
    monkeypatch.setattr(http_protocol, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(http_protocol, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(http_protocol, "STALL_SECONDS", 1.0)
    with Service(settings) as service:
        yield service.url


def connection_to(server: str, sent: bytes = b"") -> socket.socket:
    address = urlsplit(server)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.sendall(sent)
    return connection


def is_ended(connection: socket.socket) -> bool:
    """Whether the server has ended it, waited for at most as long as a socket of these tests waits."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /api/v1/sweeps HTTP/1.1\r\nHost: loc", HEAD + b"Content-Length: 1000\r\n\r\n{"],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_says_nothing_is_not_waited_for(impatient_server: str, sent: bytes) -> None:
    """Three times as many of them as there is room for: other calls are answered at once, and all of them are ended."""
    with ExitStack() as connections, httpx2.Client(base_url=impatient_server, timeout=20) as client:
        silent = [connections.enter_context(connection_to(impatient_server, sent)) for _ in range(120)]
        assert client.get("/api/v1/sweeps").status_code == 200
        assert all(map(is_ended, silent))


def test_an_answer_that_nobody_reads_is_ended(impatient_server: str) -> None:
    """Its bytes are not kept for a client that does not take them."""
    request = b"GET /static/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connection_to(impatient_server, request * 8) as connection, httpx2.Client(base_url=impatient_server) as client:
        wait_until(lambda: client.get("/healthz").status_code == 200)
        peer = connection.getsockname()[1]
        wait_until(lambda: not is_connected(peer), 30)


def test_answers_that_nobody_reads_take_so_much_memory(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was read least lately makes room for the newest, which comes whole."""
    monkeypatch.setattr(http_protocol, "MAX_UNREAD_BYTES", 2**20)
    path = f"/api/v1/sweeps/{create_sweep(engine)}/charts/history?format=html"  # 5 MB
    with Service(settings) as service, ExitStack() as stack:
        first, second = (stack.enter_context(begun_answer(service.url, path)) for _ in range(2))
        peer = first.getsockname()[1]
        wait_until(lambda: not is_connected(peer), 30)
        with second.makefile("rb") as answer:
            assert answer.read().rstrip().endswith(b"</html>")


def test_an_answer_that_is_read_slowly_comes_whole(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client may take longer for it than one that says nothing is waited for."""
    monkeypatch.setattr(http_protocol, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(http_protocol, "SILENCE_SECONDS", 0.5)
    path = f"/api/v1/sweeps/{create_sweep(engine)}/charts/history?format=html"
    with Service(settings) as service, begun_answer(service.url, path) as slow:
        for _ in range(2):
            with connection_to(service.url) as silent:
                assert is_ended(silent)
        with slow.makefile("rb") as answer:
            assert answer.read().rstrip().endswith(b"</html>")


def begun_answer(server: str, path: str) -> socket.socket:
    """A connection with little room, on which an answer has begun, of which nothing more is read."""
    address = urlsplit(server)
    connection = socket.socket()
    connection.settimeout(30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def is_connected(port: int) -> bool:
    """Whether a process still has the server's end of a connection from this port, by Linux' own table."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return any(int(row[2].rpartition(":")[2], 16) == port and row[3] == "01" and row[9] != "0" for row in rows)


def test_a_stream_of_events_stays(impatient_server: str, engine: Engine) -> None:
    """It says nothing for longer than anyone is waited for, and then brings what has changed."""
    sweep = create_sweep(engine)
    with (
        httpx2.Client(base_url=impatient_server, timeout=60) as client,
        client.stream("GET", "/api/v1/events") as events,
        connection_to(impatient_server) as silent,
    ):
        lines = events.iter_lines()
        wait_until(lambda: next(lines) == ": connected")
        assert is_ended(silent)
        change(engine, sweep, "pause")
        data = wait_until(lambda: next((line for line in lines if line.startswith("data: ")), ""))
        assert json.loads(data.removeprefix("data: "))["id"] == sweep


def test_a_server_may_open_many_files() -> None:
    """However few a shell lets its programs open at first, as long as the system allows more."""
    code = "from app.service.up import *; raise_file_limit(); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    command = f"ulimit -Sn 256; exec {sys.executable} -c {code!r}"
    process = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(process.stdout) == min(hard if hard > 0 else 65_536, 65_536)

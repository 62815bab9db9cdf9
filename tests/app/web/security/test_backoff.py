"""Who sends wrong keys has to wait, longer each time."""

import logging

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.web.app import create_app
from app.web.security import backoff
from tests.support.web.keys import bearer, make_key


def test_wrong_keys_have_to_wait(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """After a few of them 429 and how long; the right one of the table goes on, that of the environment waits too."""
    app = create_app(settings.model_copy(update={"api_key": "correct horse"}))
    caplog.set_level(logging.WARNING)
    with TestClient(app, base_url="http://localhost") as client:
        good = make_key(client, "correct horse", name="CI", role="read")["key"]
        statuses = [client.post("/login", data={"key": f"guess {n}"}).status_code for n in range(8)]
        assert statuses == [401] * (backoff.FREE_FAILURES + 1) + [429] * (7 - backoff.FREE_FAILURES)
        for refused in (
            client.get("/api/v1/sweeps", headers=bearer("correct horse")),
            client.post("/login", data={"key": "correct horse"}),
        ):
            assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
        assert client.get("/api/v1/sweeps", headers=bearer(good)).status_code == 200
        assert client.get("/api/v1/sweeps").status_code == 401
    lines = [record.getMessage() for record in caplog.records if "wrong key" in record.getMessage()]
    assert len(lines) == backoff.FREE_FAILURES + 1
    assert not any("guess" in line for line in lines)


def test_the_wait_doubles_ends_and_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a minute; the right key forgives, so does a quarter of an hour; other addresses wait for nothing."""
    now = 0.0
    monkeypatch.setattr("app.web.security.backoff.monotonic", lambda: now)
    record = backoff.Backoff()
    waits = []
    for _ in range(14):
        record.note_failure("192.0.2.1")
        waits.append(record.wait_seconds("192.0.2.1"))
        now += waits[-1]
    assert waits == [0] * 5 + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (record.wait_seconds("192.0.2.1"), record.wait_seconds("192.0.2.2")) == (0, 0)
    record.note_failure("192.0.2.1")
    record.note_success("192.0.2.1")
    assert record.wait_seconds("192.0.2.1") == 0
    for _ in range(6):
        record.note_failure("2001:db8::1")
    assert record.wait_seconds("2001:db8::2") == 1  # of the same network
    now += backoff.FORGOTTEN_SECONDS + 1
    record.note_failure("2001:db8::1")
    assert record.wait_seconds("2001:db8::1") == 0


def test_servers_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hears of the others' wrong keys and of the right one, counts its own once, and heeds nothing else."""
    monkeypatch.setattr("app.web.security.backoff.monotonic", lambda: 0.0)
    servers: list[backoff.Backoff] = []

    def tell(words: str) -> None:
        for server in servers:
            server.hear(words)

    servers += [backoff.Backoff(tell) for _ in range(3)]
    for _ in range(2):
        for server in servers:
            server.note_failure("2001:db8::1")
    assert {server.wait_seconds("2001:db8::2") for server in servers} == {1}
    for words in ("", "wrong", "x wrong", "x y 192.0.2.1", "7"):
        tell(words)
    servers[0].note_success("2001:db8::1")
    assert {server.wait_seconds("2001:db8::2") for server in servers} == {0}
    assert [server._records for server in servers] == [{}] * 3


def test_the_memory_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    monkeypatch.setattr(backoff, "MAX_ADDRESSES", 3)
    record = backoff.Backoff()
    for number in range(10):
        record.note_failure(f"192.0.2.{number}")
    assert len(record._records) == 3

"""Uploads: a slow one does not keep its place, and a file that takes long does not keep those of others waiting."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import InvalidError
from app.service.up import Service
from app.web import uploads
from tests.support.waiting import wait_until
from tests.support.web.keys import bearer, make_key

FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(("path", "kind"), [("/api/v1/sweeps/import", "text/csv"), ("/sweeps/import", FORM)])
def test_a_file_that_comes_too_slowly_is_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    """408, with what would be right, as a body and in a form."""
    monkeypatch.setattr(uploads, "GRACE_SECONDS", 0.2)
    with Service(settings) as service:
        parts = urlsplit(service.url)
        with closing(socket.create_connection((parts.hostname or "", parts.port or 0), 30)) as connection:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n"
            )
            connection.sendall(head.encode() + b"--b\r\n")
            answer = HTTPResponse(connection)
            answer.begin()
            assert answer.status == 408
            assert b"The file comes too slowly: send 64 KiB a second" in answer.read()


def test_one_key_leaves_a_turn_to_be_read_to_others(
    client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files are sent with it, each of which takes minutes."""
    busy_key = bearer(make_key(client, admin, name="Bob", role="write")["key"])
    begun, going_on = list[int](), threading.Event()

    def read_later(*_: Any, **__: Any) -> None:
        begun.append(1)
        going_on.wait(60)
        raise InvalidError("It can't be read.")

    monkeypatch.setattr(uploads, "run_in_child", read_later)
    with ThreadPoolExecutor() as threads:
        sent = [threads.submit(client.post, "/api/v1/datasets/preview", content=b"a", headers=busy_key) for _ in "ab"]
        wait_until(lambda: len(begun) == 1)
        sent.append(threads.submit(client.post, "/api/v1/datasets/preview", content=b"a", headers=bearer(admin)))
        wait_until(lambda: len(begun) == 2)
        assert not any(answer.done() for answer in sent)
        going_on.set()
        assert [answer.result(60).status_code for answer in sent] == [422] * 3

"""The requests of workers over HTTP: what is sent again and what is not, over slow ways and through proxies."""

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.broker.http import HttpConnections
from app.broker.remote import RemoteBroker
from app.broker.serving import ClaimAnswer, FinishAnswer, signature
from app.broker.wire import MEDIA_TYPE, OF_ARGUMENTS, unpack
from app.queue.errors import FaultError, RefusedError, UnreachableError
from app.queue.leases import Lease
from app.queue.legs import TrialCheckpoint
from tests.support.queue_examples import success

ALIVE = signature("live_workers").packed_answer(1)  # type: ignore[union-attr]
NOTHING = signature("claim").packed_answer(ClaimAnswer(None, "now"))  # type: ignore[union-attr]
PAGE = b"<html><h1>Request Entity Too Large</h1></html>"


class Request(BaseHTTPRequestHandler):
    """One that has come; connections stay open, as those of the real server."""

    protocol_version = "HTTP/1.1"
    answering: Callable[["Request"], None]

    def do_POST(self) -> None:
        self.size = int(self.headers["Content-Length"])
        self.call = self.path.rpartition("/")[2]
        type(self).answering(self)

    def answer(self, content: bytes, status: int = 200, media_type: str = MEDIA_TYPE) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving(answering: Callable[[Request], None], certificate: Path | None = None) -> Iterator[str]:
    """The address of a server that answers like this, and takes little at a time; over TLS with a certificate."""
    handler = type("Handler", (Request,), {"answering": staticmethod(answering)})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=False)
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    listener.server_bind()
    listener.server_activate()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def test_a_claim_that_may_have_been_made_is_never_sent_again_unnoticed() -> None:
    """Other calls are, on a connection that broke; of a claim the worker is told, and the next one says so."""
    calls: list[str] = []
    claims: list[dict[str, Any]] = []

    def answering(request: Request) -> None:
        message = unpack(request.rfile.read(request.size))
        calls.append(request.call)
        if request.call == "claim":
            claims.append(message)
        if calls in (["live_workers"] * 2, ["live_workers"] * 3 + ["claim"]):
            request.close_connection = True
        else:
            request.answer(NOTHING if request.call == "claim" else ALIVE)

    with serving(answering) as url:
        broker = RemoteBroker(url, None, threading.Event())
        assert [broker.live_workers(), broker.live_workers()] == [1, 1]
        with pytest.raises(UnreachableError):
            broker.claim(1, 30.0, {}, is_idle=True)
        assert broker.claim(1, 30.0, {}, is_idle=True) is None
        broker.close()
    assert calls == ["live_workers"] * 3 + ["claim"] * 2
    assert [message["lost_claims"] for message in claims] == [0, 1]


def test_a_server_that_says_nothing_is_not_waited_for_without_end() -> None:
    """Also where the caller would go on: it asks again, perhaps another server behind the same address."""
    wait_is_over = threading.Event()

    def answering(request: Request) -> None:
        request.rfile.read(request.size)
        wait_is_over.wait(30)
        request.close_connection = True

    with serving(answering) as url:
        connections = HttpConnections(url, None, "1")
        begin = time.monotonic()
        goes_on = lambda: time.monotonic() < begin + 10  # noqa: E731
        try:
            with pytest.raises(UnreachableError), connections.answer("worker/wait", b"", 0.5, goes_on):
                pass
            assert time.monotonic() < begin + 8
        finally:
            wait_is_over.set()
            connections.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_a_stop_is_noticed_over_tls_before_anything_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new connection says of itself, such as its tickets, is no beginning of an answer; that comes whole."""
    certificate = tmp_path / "certificate.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(certificate), "-out", str(tmp_path / "public.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    with certificate.open("a") as file:
        file.write((tmp_path / "public.pem").read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))
    wait_is_over = threading.Event()

    def answering(request: Request) -> None:
        request.rfile.read(request.size)
        if request.call == "wait":
            wait_is_over.wait(30)
        request.answer(bytes(2**20))

    with serving(answering, certificate) as url:
        connections = HttpConnections(url, None, "1")
        try:
            with (
                pytest.raises(UnreachableError, match="it was not waited for"),
                connections.answer("wait", b"", 20.0, lambda: False),
            ):
                pass
            with connections.answer("now", b"", 20.0, lambda: True) as answer:
                assert answer.read() == bytes(2**20)
        finally:
            wait_is_over.set()
            connections.close()


def test_a_message_takes_as_long_as_its_way_does() -> None:
    """It is given up after so long without a piece of it being taken, not after so long altogether."""
    message = bytes(2**22)

    def answering(request: Request) -> None:
        for _ in range(64):
            time.sleep(0.025)
            request.rfile.read(len(message) // 64)
        request.answer(b"whole")

    with serving(answering) as url:
        connections = HttpConnections(url, None, "1")
        started_at = time.monotonic()
        assert connections.call("slow", message, 1.0) == b"whole"
        assert time.monotonic() - started_at > 1.5
        connections.close()


def test_checkpoints_that_a_proxy_does_not_let_through_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """The others are, and the log has one plain sentence; the proxy answers before it has read anything, and goes."""
    small, large = (TrialCheckpoint(Lease(number, uuid4()), 1, 1, bytes(size)) for number, size in ((1, 9), (2, 2**22)))

    def answering(request: Request) -> None:
        if request.size > 2**20:
            request.close_connection = True
            request.answer(PAGE, 413, "text/html")
            return
        sent = unpack(request.rfile.read(request.size))["checkpoints"]
        held_ids = {checkpoint["lease"]["trial_id"] for checkpoint in sent}
        request.answer(signature(request.call).packed_answer(held_ids))  # type: ignore[union-attr]

    with serving(answering) as url, caplog.at_level(logging.WARNING):
        broker = RemoteBroker(url, None, threading.Event())
        assert broker.save_checkpoints(7, [small, large]) == {1}
        broker.close()
    assert [record.getMessage() for record in caplog.records] == [
        "sweep 7: the checkpoint of a trial is not kept: a proxy before the server takes no message of this size "
        "(413 Request Entity Too Large): it has to let larger ones through"
    ]


def test_what_comes_too_slowly_is_sent_in_smaller_messages() -> None:
    """What is too slow alone is left out, or left to another worker; a call that is small is made again."""
    small, large = (TrialCheckpoint(Lease(number, uuid4()), 1, 1, bytes(size)) for number, size in ((1, 9), (2, 2**20)))

    def answering(request: Request) -> None:
        message = request.rfile.read(request.size)
        if request.size > 2**19 or request.call == "live_workers":
            request.answer(b'{"detail": "Too slow."}', 408, "application/problem+json")
            return
        held_ids = {checkpoint["lease"]["trial_id"] for checkpoint in unpack(message)["checkpoints"]}
        request.answer(signature(request.call).packed_answer(held_ids))  # type: ignore[union-attr]

    with serving(answering) as url:
        broker = RemoteBroker(url, None, threading.Event())
        assert broker.save_checkpoints(7, [small, large]) == {1}
        with pytest.raises(FaultError, match="Too slow"):
            broker.store_retrained(7, 1, {0: bytes(2**20)})
        with pytest.raises(UnreachableError, match="Too slow"):
            broker.live_workers()
        broker.close()


def test_checkpoints_of_very_many_trials_come_in_several_messages() -> None:
    """A message has at most 20,000 parts."""
    message_sizes: list[int] = []

    def answering(request: Request) -> None:
        sent = unpack(request.rfile.read(request.size))["checkpoints"]
        message_sizes.append(len(sent))
        held_ids = {checkpoint["lease"]["trial_id"] for checkpoint in sent}
        request.answer(signature(request.call).packed_answer(held_ids))  # type: ignore[union-attr]

    with serving(answering) as url:
        broker = RemoteBroker(url, None, threading.Event())
        token = uuid4()
        checkpoints = [TrialCheckpoint(Lease(number, token), 1, 1, b"") for number in range(OF_ARGUMENTS.parts)]
        assert broker.save_checkpoints(7, checkpoints) == {*range(OF_ARGUMENTS.parts)}
        broker.close()
    assert message_sizes == [OF_ARGUMENTS.parts // 2] * 2


def test_a_result_whose_weights_a_proxy_does_not_let_through_counts_without_them() -> None:
    """The others' weights are kept: results are sent in halves until the message is small enough."""
    leases = [Lease(number, uuid4()) for number in (1, 2)]
    stored: dict[int, dict[int, bytes]] = {}

    def answering(request: Request) -> None:
        if request.size > 2**20:
            request.close_connection = True
            request.answer(PAGE, 413, "text/html")
            return
        sent = signature("finish").arguments_of(request.rfile.read(request.size))  # type: ignore[union-attr]
        ids = {result.lease.trial_id for result in sent["results"]}
        wanted_ids = sorted(ids - sent["weights"].keys())
        stored.update({} if wanted_ids else sent["weights"])
        answer = FinishAnswer(set() if wanted_ids else ids, wanted_ids, [])
        request.answer(signature("finish").packed_answer(answer))  # type: ignore[union-attr]

    with serving(answering) as url:
        broker = RemoteBroker(url, None, threading.Event())
        results = [success(lease) for lease in leases]
        assert broker.finish(7, results, lambda trial_id: {0: bytes(2**22 if trial_id == 2 else 9)}) == {1, 2}
        broker.close()
    assert stored == {1: {0: bytes(9)}, 2: {}}


def test_weights_that_a_proxy_does_not_let_through_together_come_run_by_run() -> None:
    """One run's that is too large alone is refused, with the proxy's word for it."""
    stored: dict[int, int] = {}

    def answering(request: Request) -> None:
        if request.size > 2**20:
            request.close_connection = True
            request.answer(PAGE, 413, "text/html")
            return
        sent = signature(request.call).arguments_of(request.rfile.read(request.size))  # type: ignore[union-attr]
        stored.update({seed: len(content) for seed, content in sent["weights"].items()})
        request.answer(signature(request.call).packed_answer(None))  # type: ignore[union-attr]

    with serving(answering) as url:
        broker = RemoteBroker(url, None, threading.Event())
        broker.store_retrained(7, 1, {0: bytes(600_000), 1: bytes(700_000)})
        assert stored == {0: 600_000, 1: 700_000}
        with pytest.raises(RefusedError, match="a proxy before the server takes no message of this size"):
            broker.store_retrained(7, 1, {2: bytes(2**22)})
        broker.close()


@pytest.mark.parametrize(("status", "error"), [(200, RefusedError), (502, UnreachableError)])
def test_a_page_in_place_of_an_answer_is_told_in_one_sentence(status: int, error: type[Exception]) -> None:
    """Nothing of its markup is in it."""
    with serving(lambda request: request.answer(PAGE, status, "text/html")) as url:
        broker = RemoteBroker(url, None, threading.Event())
        with pytest.raises(error, match=f"what answers there \\({status} .*\\) is no Perceptune server") as raised:
            broker.live_workers()
        broker.close()
    assert "<" not in str(raised.value)


@pytest.mark.parametrize(
    ("media_type", "error"), [("application/problem+json", RefusedError), ("text/html", UnreachableError)]
)
def test_what_a_server_does_not_find_is_refused(media_type: str, error: type[Exception]) -> None:
    """A proxy's word for it is none: its server may start."""
    body = b'{"detail": "There is no sweep 7."}'
    with serving(lambda request: request.answer(body, 404, media_type)) as url:
        broker = RemoteBroker(url, None, threading.Event())
        with pytest.raises(error, match=r"There is no sweep 7\.") as raised:
            broker.live_workers()
        broker.close()
    assert type(raised.value) is error

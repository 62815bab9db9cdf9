"""Requests of a worker to its server: one connection a thread, opened again where it was lost."""

import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.broker.wire import MEDIA_TYPE, VERSION_HEADER
from app.errors import StartError
from app.queue.errors import CallError, FaultError, RefusedError, UnreachableError

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0  # of silence, after which a call is given up; what asks the sampler may take longer
READ_BYTES = 2**20
SENT_BYTES = 2**17  # at once: so much, and not all of a message, has to go within the time of a call
SLICE_SECONDS = 0.25  # how long a stop may go unnoticed
# A peer that is gone is noticed; one that takes nothing for a while has others to serve, and is waited for as for an
# answer. Little lies unsent in this machine, so that the wait for an answer begins once most of the message is gone.
_TCP_OPTIONS = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": round(1000 * ANSWER_SECONDS),
    "TCP_NOTSENT_LOWAT": SENT_BYTES,
}
_TRY_AGAIN = {404, 408, 425, 429, 502, 503, 504}
_NEVER_AGAIN = {401, 403, 426}
_NOT_FOUND, _TOO_LARGE, _TOO_SLOW = 404, 413, 408
_PROBLEM = "application/problem+json"  # of a server of ours


class ForbiddenError(FaultError):
    """No call of this worker is answered any more: its key, its version or the address is wrong."""


class TooLargeMessageError(RefusedError):
    """The message is larger than what is between here and the server takes, or the server itself."""


class TooSlowMessageError(UnreachableError):
    """The message did not come in the time that the server has for one of its size; smaller ones may."""


class _Request(NamedTuple):
    path: str
    message: bytes
    seconds: float
    goes_on: Callable[[], bool] | None
    is_repeatable: bool


class _AwaitedResponse(http.client.HTTPResponse):
    """An answer that is waited for as long as its caller goes on."""

    def __init__(self, request: _Request, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._request, self._socket = request, sock

    def begin(self) -> None:
        deadline = time.monotonic() + self._request.seconds
        while self._request.goes_on is not None and not self._has_begun():
            if time.monotonic() > deadline or not self._request.goes_on():
                raise TimeoutError("it was not waited for")
        super().begin()

    def _has_begun(self) -> bool:
        """Whether something of it comes within a moment; what comes over TLS may also be of the connection itself."""
        if not select.select([self._socket], [], [], SLICE_SECONDS)[0]:
            return False
        self._socket.setblocking(False)
        try:
            self.fp.peek(1)
        except ssl.SSLWantReadError:
            return False
        finally:
            self._socket.settimeout(self._request.seconds)
        return True


class HttpConnections:
    """The connections to a server below one address, for one worker."""

    def __init__(self, url: str, key: str | None, version: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StartError(f"{url!r} is no address of a server: write https://HOST or http://HOST:PORT.")
        self._is_secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Content-Type": MEDIA_TYPE, VERSION_HEADER: version}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._of_thread = threading.local()

    def call(self, path: str, message: bytes, seconds: float = ANSWER_SECONDS, *, is_repeatable: bool = True) -> bytes:
        """The body of the answer. Raises UnreachableError and RefusedError."""
        with self.answer(path, message, seconds, is_repeatable=is_repeatable) as response:
            return response.read()

    @contextmanager
    def answer(
        self,
        path: str,
        message: bytes,
        seconds: float = ANSWER_SECONDS,
        goes_on: Callable[[], bool] | None = None,
        connection: http.client.HTTPConnection | None = None,
        is_repeatable: bool = True,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, to be read within the block; its connection is kept for the next one where all of it is read.

        `seconds`: of silence, or without taking a piece of the message, after which it is given up.

        `goes_on`: asked now and then while the answer has not begun; False gives it up, with UnreachableError.
        `connection`: in place of the thread's own.
        `is_repeatable`: False where the caller has to know of each request that may have been answered without it.
        """
        connection = connection or self._connection()
        try:
            response = self._respond(connection, _Request(path, message, seconds, goes_on, is_repeatable))
            try:
                _check(response)
                yield response
            finally:
                if not response.isclosed():
                    connection.close()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise UnreachableError(f"the server does not answer: {str(error) or type(error).__name__}") from error

    def close(self) -> None:
        """Closes this thread's connection."""
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()

    def _respond(self, connection: http.client.HTTPConnection, request: _Request) -> http.client.HTTPResponse:
        is_used = connection.sock is not None
        try:
            return self._send(connection, request)
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            if not (is_used and request.is_repeatable):
                raise
        # the server ends connections that were silent for a while: that one was the last to know
        return self._send(connection, request)

    def _send(self, connection: http.client.HTTPConnection, request: _Request) -> http.client.HTTPResponse:
        if connection.sock is None:
            connection.connect()  # which lets small messages go at once
            _set_options(connection)
        connection.sock.settimeout(request.seconds)
        headers = self._headers | {"Content-Length": str(len(request.message))}
        with suppress(ConnectionError):  # of who answers, and goes, before all was taken: what it says may be here
            path = f"{self._path}/api/v1/worker/{request.path}"
            connection.request("POST", path, _pieces(request.message), headers)
        connection.response_class = partial(_AwaitedResponse, request)  # type: ignore[assignment]
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self.new_connection()
        return connection

    def new_connection(self) -> http.client.HTTPConnection:
        """A connection that is not opened yet."""
        if self._is_secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)


def _pieces(message: bytes) -> Iterator[memoryview]:
    """The message in pieces, for each of which the connection's timeout begins anew."""
    view = memoryview(message)
    return (view[start : start + SENT_BYTES] for start in range(0, len(view), SENT_BYTES))


def _set_options(connection: http.client.HTTPConnection) -> None:
    """Those of the connection; not every system has every option."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        with suppress(OSError, AttributeError):
            connection.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _check(response: http.client.HTTPResponse) -> None:
    """Raises CallError for an answer that is none of the call's."""
    if response.status == 200 and response.headers.get_content_type() == MEDIA_TYPE:
        return
    is_of_server = response.headers.get_content_type() == _PROBLEM
    raise _error(response.status, _sentence(response), is_of_server=is_of_server)


def _error(status: int, sentence: str, *, is_of_server: bool) -> CallError:
    if status == _TOO_SLOW and is_of_server:
        return TooSlowMessageError(sentence)
    if status in _TRY_AGAIN and not (status == _NOT_FOUND and is_of_server):  # else of a proxy whose server starts
        return UnreachableError(f"the server says {status}: {sentence}")
    if status in _NEVER_AGAIN:
        return ForbiddenError(sentence)
    if status == _TOO_LARGE:
        return TooLargeMessageError(sentence)
    return RefusedError(sentence) if is_of_server and status < 500 else FaultError(sentence)


def _sentence(response: http.client.HTTPResponse) -> str:
    """What a problem says; of anything else, that no server of ours has answered."""
    body = response.read(READ_BYTES)
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, LookupError, TypeError):
        answer = f"{response.status} {response.reason}"
    if response.status == _TOO_LARGE:
        return f"a proxy before the server takes no message of this size ({answer}): it has to let larger ones through"
    return f"what answers there ({answer}) is no Perceptune server, or a proxy that does not reach it"

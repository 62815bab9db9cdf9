"""What flows send and listen to, in threads and in asyncio: options of connections, requests, and events."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

import httpx

from perceptune.flows import Call, Report, Wakeup

API = "/api/v1"
DEFAULT_URL = "http://127.0.0.1:8000"
STREAM_SECONDS = 20.0  # a stream that is silent for so long is opened anew; the server gives a sign every 15 seconds
PIECE_BYTES = 2**20  # of a file, that are sent in one go
READ_FILE_SECONDS = 1200.0  # in which the server reads a file that was posted
POLL_SECONDS = 2.0  # where there is no stream


class Options(TypedDict):
    """What httpx's clients are made with."""

    base_url: str
    headers: dict[str, str]
    timeout: httpx.Timeout
    trust_env: bool


def options(url: str | None, key: str | None) -> Options:
    """Those for the server at this address: the arguments, else PERCEPTUNE_URL and PERCEPTUNE_API_KEY."""
    url = (url or os.environ.get("PERCEPTUNE_URL") or DEFAULT_URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a server: write e.g. {DEFAULT_URL}")
    key = key or os.environ.get("PERCEPTUNE_API_KEY")
    headers = {"User-Agent": f"perceptune-client/{_version()}"} | ({"Authorization": f"Bearer {key}"} if key else {})
    # no proxy stands between this machine and itself
    environment = not _is_loopback(parts.hostname)
    return Options(base_url=f"{url}{API}", headers=headers, timeout=httpx.Timeout(30.0), trust_env=environment)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _version() -> str:
    try:
        return version("perceptune-client")
    except PackageNotFoundError:  # it runs from its folder
        return "0"


class EventReader:
    """Puts the lines of a stream of server-sent events together."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def feed(self, line: str) -> Wakeup | None:
        """The event that ends with this line, or a comment, which is a sign of life."""
        if line.startswith(":"):
            return Wakeup()
        if line.startswith("data:"):
            self._data.append(line[5:].strip())
        if line or not self._data:
            return None
        event = json.loads("\n".join(self._data))
        self._data = []
        return Wakeup(None if event.get("state") == "deleted" else event.get("revision"))


def request_of(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """The call as a request."""
    query = {name: _texts(value) for name, value in call.query.items()}
    headers = dict(call.headers)
    if call.content is None:
        return http.build_request(call.method, call.path, params=query, json=call.body, headers=headers)
    content: bytes | Iterator[bytes] | AsyncIterator[bytes]
    if isinstance(call.content, bytes):
        content = call.content
    else:
        headers["Content-Length"] = str(call.content.stat().st_size)
        pieces = _pieces(call.content, call.report)
        content = pieces if isinstance(http, httpx.Client) else _in_threads(pieces)
    timeout = httpx.Timeout(30.0, read=READ_FILE_SECONDS)
    return http.build_request(call.method, call.path, params=query, content=content, headers=headers, timeout=timeout)


def _pieces(path: Path, report: Report) -> Iterator[bytes]:
    """The content of a file, which need not be in memory at once."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            report(file.tell(), size)


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same for asyncio, whose other tasks go on while the disk is waited for."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _texts(value: object) -> str | list[str]:
    """A parameter of the query, which may be there several times."""
    return [str(item) for item in value] if isinstance(value, list) else str(value)


def stream_timeout(seconds: float) -> httpx.Timeout:
    """Limits of a stream that may be silent for so long."""
    return httpx.Timeout(10.0, read=max(seconds, 0.1))

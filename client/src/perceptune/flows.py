"""Flows: what the client does, as generators of steps, so that one text serves threads and asyncio alike.

A flow yields a step (send this request, pause, listen for an event) and is resumed with what came of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx

from perceptune.errors import UnreachableError, problem_of

Answer = TypeVar("Answer")
Report = Callable[[int, int], None]
"""Is told how many bytes of a file are sent, and how many there are."""

RETRIES = 5
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0  # a server that asks for more patience than this is answered with its error
_BUSY = (429, 503)


def silent(sent: int, size: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One call of the API, and how its answer is read."""

    method: str
    path: str
    """Below `/api/v1`."""
    read: Callable[[httpx.Response], Answer]
    query: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    content: bytes | Path | None = None
    """A file in place of a body, or its place on the disk."""
    report: Report = silent
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether it may be sent again where it is not known if the first one was heeded."""


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Listen:
    """Wait for the next server-sent event at this path, at most so many seconds."""

    path: str
    seconds: float


@dataclass(frozen=True)
class Wakeup:
    """An event came, or a sign of life; without a revision it says nothing but: look."""

    revision: int | None = None


Step = Call[Any] | Pause | Listen
Outcome = httpx.Response | httpx.TransportError | Wakeup | None
Flow = Generator[Step, Outcome, Answer]


def send(call: Call[Answer], retries: int = RETRIES) -> Flow[Answer]:
    """What the server answers, after further tries where that is safe. Raises ProblemError, UnreachableError."""
    for attempt in range(retries + 1):
        outcome = yield call
        pause = None if attempt == retries else _pause_before_retry(call, outcome, attempt)
        if pause is None:
            return _answer(call, outcome)
        yield Pause(pause)
    raise AssertionError("the last attempt returns or raises")


def _answer(call: Call[Answer], outcome: Outcome) -> Answer:
    if isinstance(outcome, httpx.Response):
        if outcome.is_success:
            return call.read(outcome)
        raise problem_of(outcome)
    raise UnreachableError(f"The server can't be reached ({outcome}): does `perceptune up` run there?")


def _pause_before_retry(call: Call[Any], outcome: Outcome, attempt: int) -> float | None:
    """Seconds until the call is sent again, or None where it is not."""
    backoff = min(FIRST_PAUSE_SECONDS * 2**attempt, MAX_PAUSE_SECONDS)
    if isinstance(outcome, httpx.TransportError):
        never_sent = isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return backoff * random.uniform(0.5, 1) if never_sent or call.repeatable else None
    if not isinstance(outcome, httpx.Response) or outcome.status_code not in _BUSY:
        return None
    wish = _retry_after(outcome)
    if wish is None:  # the database was lost, perhaps while it stored what was asked for
        return backoff if call.repeatable else None
    return wish if wish <= MAX_PAUSE_SECONDS else None


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds of `Retry-After`, which Perceptune never writes as a date."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None

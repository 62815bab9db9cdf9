"""Answers sent again: what many open pages of a sweep ask for is made once, and the others get the same bytes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SEEN = "X-Seen-Revision"  # sent by a page: the revision of its sweep that it shows, or has heard of
FRESH_SECONDS = 2.0  # for so long: times go on, and workers come and go, without another revision
MAX_ANSWERS = 64  # of some hundred kilobytes each


class Answer(NamedTuple):
    """An answer as it left the routes."""

    revision: int
    made_at: float  # time.monotonic
    start: Message
    body: Message
    route: object


class Repeats:
    """Answers again what was just answered to the same caller's kind, to whoever wants nothing newer.

    A request says by SEEN which revision it has to show at least, and a route says by `request.state.revision` of which
    one its answer is. Without either, each answer is made anew: whoever changes something, or opens a page, sees all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._turns: dict[Hashable, asyncio.Event] = {}  # set once the answer that is being made is there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        least_revision = _least_revision(scope)
        if least_revision is None:
            await self._app(scope, receive, send)
            return
        key = _key(scope)
        while not await self._sent_again(key, least_revision, scope, send):
            if (turn := self._turns.get(key)) is not None:  # of all who ask meanwhile one makes it
                await turn.wait()
                continue
            turn = self._turns[key] = asyncio.Event()
            try:
                await self._make(key, scope, receive, send)
            finally:
                self._end_turn(key, turn)
            return

    async def _sent_again(self, key: Hashable, least_revision: int, scope: Scope, send: Send) -> bool:
        """Whether there was an answer that is new enough, which is sent now."""
        answer = self._answers.get(key)
        if answer is None or answer.revision < least_revision or _is_expired(answer):
            return False
        scope["route"] = answer.route  # for the log and the counters
        await send({**answer.start, "headers": [*answer.start["headers"]]})  # to which outer layers add
        await send(answer.body)
        return True

    async def _make(self, key: Hashable, scope: Scope, receive: Receive, send: Send) -> None:
        begun_at, turn = time.monotonic(), self._turns[key]
        start: Message = {}

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = {**message, "headers": [*message["headers"]]}
            elif start.get("status") == 200 and not message.get("more_body"):
                self._keep(key, begun_at, scope, start, message)
                self._end_turn(key, turn)  # the others need not wait until this one has read it
            await send(message)

        await self._app(scope, receive, send_and_keep)

    def _keep(self, key: Hashable, begun_at: float, scope: Scope, start: Message, body: Message) -> None:
        revision = scope["state"].get("revision")
        if revision is None:
            return
        self._answers[key] = Answer(revision, begun_at, start, body, scope.get("route"))
        self._answers.move_to_end(key)
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        asyncio.get_running_loop().call_later(FRESH_SECONDS, self._drop_expired)

    def _end_turn(self, key: Hashable, turn: asyncio.Event) -> None:
        turn.set()
        if self._turns.get(key) is turn:
            del self._turns[key]

    def _drop_expired(self) -> None:
        """Lets go of the answers that nobody is sent any more; the oldest come first."""
        while self._answers and _is_expired(next(iter(self._answers.values()))):
            self._answers.popitem(last=False)


def _is_expired(answer: Answer) -> bool:
    return time.monotonic() - answer.made_at >= FRESH_SECONDS


def _least_revision(scope: Scope) -> int | None:
    """The revision that an answer has to show at least; None where nobody says, or nobody is known to ask."""
    if scope["type"] != "http" or scope["method"] != "GET" or "caller" not in scope.get("state", {}):
        return None
    text = Headers(scope=scope).get(SEEN, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _key(scope: Scope) -> Hashable:
    """All that such an answer depends on: who asks, for what, in which form, and by which name of this server."""
    headers = Headers(scope=scope)
    form = tuple(headers.get(name, "") for name in ("host", "accept", "hx-request", "if-none-match"))
    caller = scope["state"]["caller"]
    return scope["scheme"], scope["path"], scope["query_string"], form, caller.name, caller.role, caller.has_session

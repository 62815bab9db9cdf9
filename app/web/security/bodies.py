"""Bodies of requests: read whole and in time before their calls begin, into so much memory for all."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import NamedTuple

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.broker.wire import marks_of, memory_of
from app.errors import BusyError, TooLargeError, TooSlowError
from app.web.error_handlers import render
from app.web.security.room import SharedRoom

MAX_BODY_BYTES = 4 * 2**20
MAX_MARKS = 500_000  # commas and opening brackets of its JSON, which is read while everybody else waits
MAX_FIELDS = 1_000  # of a form, which is read byte by byte meanwhile
SMALL_BYTES = 16 * 2**10  # of one that needs no room
# On their way or at work, of all callers; and what their JSON takes once it is read: three bytes may be a list.
BODY_BYTES, VALUE_BYTES = 64 * 2**20, 256 * 2**20
# How far one may fall behind, and behind which pace: a slow one keeps its room from others.
GRACE_SECONDS, BYTES_A_SECOND = 30.0, 64 * 2**10

# Posts that read their bodies by themselves: files, and what workers say.
STREAMED = re.compile(r"/api/v1/worker/.*|(/api/v1)?/(sweeps/import|datasets/preview)|/api/v1/datasets")
_TOO_SLOW = f"The body comes too slowly: send {BYTES_A_SECOND // 2**10} KiB a second, or a smaller one."
_NO_ROOM = "What others have sent takes all the memory there is for it: try again in a moment."


class Pace(NamedTuple):
    """How slowly a body may come."""

    grace_seconds: float
    """How far it may fall behind."""
    bytes_a_second: float
    refusal: str
    """The sentence to whose does."""


class Bodies:
    """Hands on a request of somebody who may call once all of its body is here, and there is room for what is in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._bodies, self._values = SharedRoom(BODY_BYTES, _NO_ROOM), SharedRoom(VALUE_BYTES, _NO_ROOM)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not SMALL_BYTES < _bytes_of(scope) <= MAX_BODY_BYTES:
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as room:
            body = await self._body(Request(scope, receive), room)
            if isinstance(body, bytes):
                await self._app(scope, _receiving(body, receive), send)
            elif body is not None:
                await body(scope, receive, send)

    async def _body(self, request: Request, room: AsyncExitStack) -> bytes | Response | None:
        """The body, which has its room from now on; else why it is refused; None where its client has gone."""
        try:
            size = _bytes_of(request.scope)
            await room.enter_async_context(self._bodies.share(request.scope, size))
            body = await whole_body(request, size, Pace(GRACE_SECONDS, BYTES_A_SECOND, _TOO_SLOW))
            if marks_of(body) > MAX_MARKS:
                raise TooLargeError(f"A body may have at most {MAX_MARKS:,} values: send it in parts.")
            _check_form(request.headers.get("content-type", "").lower(), body)
            await room.enter_async_context(self._values.share(request.scope, memory_of(body)))
            return body
        except (BusyError, TooLargeError, TooSlowError) as error:
            return render(request, error)
        except HTTPException:  # from the framework's own limit
            return render(request, TooLargeError(f"A body may have at most {MAX_BODY_BYTES // 2**20} MiB."))
        except ClientDisconnect:
            return None


def _check_form(media_type: str, body: bytes) -> None:
    """Raises TooLargeError for a form that would keep others waiting for seconds while it is read."""
    if "form-data" in media_type:
        raise TooLargeError(f"A form in parts may have at most {SMALL_BYTES // 2**10} KiB here: send it URL-encoded.")
    if "form-urlencoded" in media_type and body.count(b"&") + body.count(b";") > MAX_FIELDS:
        raise TooLargeError(f"A form may have at most {MAX_FIELDS:,} fields.")


async def whole_body(request: Request, size: int, pace: Pace) -> bytes:
    """The body. Raises TooSlowError, and TooLargeError where it has more bytes."""
    pieces, received = [], 0
    async for piece in in_pace(request, pace).stream():
        received += len(piece)
        if received > size:
            raise TooLargeError(f"The body has more than {size:,} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def in_pace(request: Request, pace: Pace) -> Request:
    """The request anew. Reading its body raises TooSlowError where that falls behind."""
    begun_at = asyncio.get_running_loop().time()
    received = 0

    async def receive() -> Message:
        nonlocal received
        try:
            async with asyncio.timeout_at(begun_at + pace.grace_seconds + received / pace.bytes_a_second):
                message = await request.receive()
        except TimeoutError:
            raise TooSlowError(pace.refusal) from None
        received += len(message.get("body", b""))
        return message

    return Request(request.scope, receive)


def is_streamed(scope: Scope) -> bool:
    """Whether the call reads its body by itself, in a place of its own."""
    return scope["method"] == "POST" and STREAMED.fullmatch(scope["path"]) is not None


def _bytes_of(scope: Scope) -> int:
    """How many bytes the body has, or may have where it does not say; 0 where nobody may send it, or it is streamed."""
    if scope["type"] != "http" or "caller" not in scope.get("state", {}) or is_streamed(scope):
        return 0
    headers = Headers(scope=scope)
    return int(headers.get("content-length", MAX_BODY_BYTES if "transfer-encoding" in headers else 0))


def _receiving(body: bytes, receive: Receive) -> Receive:
    """Gives the body, which was received before, and then what comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again

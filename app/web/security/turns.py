"""Turns: so many calls of one caller are at work at a time, so that others find a thread however many there are."""

import asyncio
import re

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.shares import PLACE
from app.errors import BusyError
from app.web.error_handlers import render
from app.web.security.bodies import is_streamed
from app.web.security.of_callers import OfCallers

MAX_TURNS = 16  # of the 40 threads that a server has for calls
WAIT_SECONDS = 20.0  # for a turn, before a call is refused

# They wait for places of their own, or stay for long without a thread.
_HAS_PLACES = re.compile(
    r"GET (?!(/api/v1)?/datasets/).*/(charts/[^/]+|report\.html|events|export\.[a-z]+|what-matters)"
    r"|GET /api/v1/sweeps/.*/model|POST /api/v1/sweeps/.*/predict"
    r"|POST /api/v1/sweeps(/preview|/[^/]+/clone)?|PATCH /api/v1/sweeps/[^/]+"
    r"|(GET|POST) /sweeps/new(/preview|/fields)?|POST /sweeps/[^/]+/(edit|extend|widen)"
)


class Turns:
    """Hands on a request once it is the turn of its caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._of_callers = OfCallers(lambda: asyncio.Semaphore(MAX_TURNS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not needs_turn(scope):
            await self._app(scope, receive, send)
            return
        turns = self._of_callers.of(scope)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turns.acquire()
        except TimeoutError:
            error = BusyError("Other calls with this key, or by shared links, are at work: try again in a moment.")
            await render(Request(scope), error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            turns.release()


def needs_turn(scope: Scope) -> bool:
    """Whether it takes a thread at once; what needs neither a key nor a link is quick."""
    if scope["type"] != "http" or not ("caller" in scope.get("state", {}) or scope["path"].startswith(PLACE)):
        return False
    return not (is_streamed(scope) or _HAS_PLACES.fullmatch(f"{scope['method']} {scope['path']}"))

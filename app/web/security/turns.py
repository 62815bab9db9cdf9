"""Turns: so many calls of one caller are at work at a time, so that others find a thread however many there are."""

import re
from contextlib import AsyncExitStack

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.shares import PLACE
from app.errors import BusyError
from app.web.error_handlers import render
from app.web.security.bodies import is_streamed
from app.web.security.places import Places

MAX_TURNS = 16  # of the 40 threads that a server has for calls, and of its 40 connections to the database
# Of all callers together, so that with the calls that have places of their own they never hold every connection: each
# needs a thread once more to give its connection back, and all threads might wait for a connection by then.
MAX_TURNS_OF_ALL = 24
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
        self._places = Places(MAX_TURNS, "Too many other calls are at work: try again in a moment.", MAX_TURNS_OF_ALL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as turn:
            app = self._app
            if needs_turn(scope):
                try:
                    await turn.enter_async_context(self._places.place(scope, WAIT_SECONDS))
                except BusyError as error:
                    app = render(Request(scope), error)
            await app(scope, receive, send)


def needs_turn(scope: Scope) -> bool:
    """Whether it takes a thread at once; what needs neither a key nor a link is quick."""
    if scope["type"] != "http" or not ("caller" in scope.get("state", {}) or scope["path"].startswith(PLACE)):
        return False
    return not (is_streamed(scope) or _HAS_PLACES.fullmatch(f"{scope['method']} {scope['path']}"))

"""Places for calls that take much: a few at a time, so that all else is answered meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Depends, Request
from starlette.types import Scope

from app.errors import BusyError
from app.web.security.of_callers import OfCallers

WAIT_SECONDS = 20.0  # for a place, before a call is refused, unless its kind has a bound of its own


class Places:
    """So many for the calls of one kind by one caller, and some more for all callers together."""

    def __init__(self, count: int, refusal: str, total: int | None = None) -> None:
        """`refusal`: the sentence to who finds none. `total`: of all callers, else one more than of one."""
        self.total = count + 1 if total is None else total
        self._free_places, self._refusal = asyncio.Semaphore(self.total), refusal
        self._of_callers = OfCallers(lambda: asyncio.Semaphore(count))

    @asynccontextmanager
    async def place(self, scope: Scope, wait_seconds: float | None = None) -> AsyncIterator[None]:
        """Has one while the block runs, for this request. Raises BusyError where none becomes free in time."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(WAIT_SECONDS if wait_seconds is None else wait_seconds):
                    await stack.enter_async_context(self._of_callers.of(scope))
                    await stack.enter_async_context(self._free_places)
            except TimeoutError:
                raise BusyError(self._refusal) from None
            yield


def place_among(kind: str) -> Any:
    """A route's dependency that has one of these places of the server, before a thread or a connection is taken."""

    async def _place(request: Request) -> AsyncIterator[None]:
        async with getattr(request.app.state, kind).place(request.scope):
            yield

    return Depends(_place, scope="function")

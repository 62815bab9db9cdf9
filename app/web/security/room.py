"""Room in memory for what is sent and answered: who finds none waits for a turn, or comes again."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Scope

from app.errors import BusyError
from app.web.security.of_callers import OfCallers

WAIT_SECONDS = 20.0  # for room, before a call is refused; less than a worker waits for an answer


class Room:
    """So many bytes for all. Used in the server's event loop."""

    def __init__(self, size: int, refusal: str, max_waiting: float = math.inf) -> None:
        """`refusal`: the sentence to who finds none.

        `max_waiting`: how many may wait at a time, where they keep in memory what they wait with.
        """
        self._size = self._free_bytes = size
        self._refusal = refusal
        self._max_waiting, self._waiting = max_waiting, 0
        self._turn = asyncio.Lock()  # first come, first served: who needs much is not passed by those who need little
        self._more_is_free = asyncio.Event()

    @asynccontextmanager
    async def share(self, size: int) -> AsyncIterator[None]:
        """Keeps so many bytes free for whoever runs the block; all there are, for what is larger. Raises BusyError."""
        size = min(size, self._size)
        if self._waiting >= self._max_waiting:
            raise BusyError(self._refusal)
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._turn:
                while self._free_bytes < size:
                    self._more_is_free.clear()
                    await self._more_is_free.wait()
                self._free_bytes -= size
        except TimeoutError:
            raise BusyError(self._refusal) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free_bytes += size
            self._more_is_free.set()


class SharedRoom:
    """So many bytes for all, of which no caller can have more than three quarters: the rest is somebody else's."""

    def __init__(self, size: int, refusal: str) -> None:
        self._room = Room(size, refusal)
        self._of_callers = OfCallers(lambda: Room(size * 3 // 4, refusal))

    @asynccontextmanager
    async def share(self, scope: Scope, size: int) -> AsyncIterator[None]:
        """Keeps so many bytes free for this request while the block runs. Raises BusyError."""
        async with self._of_callers.of(scope).share(size), self._room.share(size):
            yield

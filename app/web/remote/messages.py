"""Messages of workers: the bodies of their calls, which have to come in time and to find room in memory."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import Request

from app.broker.serving import MAX_MESSAGE_BYTES
from app.errors import LengthRequiredError, TooLargeError
from app.web.security.bodies import Pace, whole_body
from app.web.security.room import Room, SharedRoom

# On their way, of small and of large ones. With all copies the server may take four times as much.
MESSAGE_BYTES, LARGE_MESSAGE_BYTES = 128 * 2**20, 512 * 2**20
SMALL_BYTES = 64 * 2**10  # of a message that needs no room
LARGE_BYTES = 16 * 2**20  # of a message beyond which it is a large one: those have room of their own, and wait for it
# How far a message may fall behind, and behind which pace: a slow one keeps its room from others.
GRACE_SECONDS, BYTES_A_SECOND = 30.0, 256 * 2**10
NO_ROOM = "Other workers' messages take all the memory there is for them: try again soon."


class Messages:
    """The room of a server's messages."""

    def __init__(self) -> None:
        self._small, self._large = SharedRoom(MESSAGE_BYTES, NO_ROOM), Room(LARGE_MESSAGE_BYTES, NO_ROOM)

    @asynccontextmanager
    async def received(self, request: Request, max_bytes: int = MAX_MESSAGE_BYTES) -> AsyncIterator[bytes]:
        """The body of a request, whole and in time.

        Raises LengthRequiredError, TooLargeError, TooSlowError, and BusyError where there is no room for it.
        """
        if (length := request.headers.get("content-length")) is None:
            raise LengthRequiredError("A message must say in Content-Length how many bytes it has.")
        size = int(length)
        if size > max_bytes:
            raise TooLargeError(f"This message may have at most {max_bytes:,} bytes.")
        async with self._room(request, size):
            yield await whole_body(request, size, Pace(GRACE_SECONDS, BYTES_A_SECOND, _too_slow(size)))

    def _room(self, request: Request, size: int) -> AbstractAsyncContextManager[None]:
        if size <= SMALL_BYTES:
            return nullcontext()
        return self._small.share(request.scope, size) if size <= LARGE_BYTES else self._large.share(size)


def _too_slow(size: int) -> str:
    return (
        f"This message of {size:,} bytes comes too slowly: send smaller ones, or over a connection that takes "
        f"{BYTES_A_SECOND // 2**10} KiB a second."
    )

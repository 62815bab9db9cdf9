"""Downloads: files that are sent while they are read, a few at a time, each on a database connection of its own.

Whoever asks for a file may leave before its end, or stay and read nothing: neither keeps a connection.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager

import anyio
from fastapi import Response
from sqlalchemy import Engine
from starlette.types import Receive, Scope, Send

from app.db.engine import connect
from app.web.security.places import Places

logger = logging.getLogger(__name__)

MAX_DOWNLOADS = 8  # of one caller; one more of all
WAIT_SECONDS = 10.0  # for a place, before a download is refused
PIECE_SECONDS = 30.0  # in which a client has to take a piece; less than Postgres lets a transaction be idle

Pieces = Generator[bytes]


class Downloads:
    """The places of a server's downloads, and the engine that they read with."""

    def __init__(self, database_url: str) -> None:
        self._places = Places(MAX_DOWNLOADS, "Other downloads are under way: try again in a moment.")
        self.engine: Engine = connect(database_url, "downloads", pool_size=self._places.total, max_overflow=0)
        self._threads = anyio.CapacityLimiter(self._places.total)

    @asynccontextmanager
    async def started(self, scope: Scope, open_pieces: Callable[[], Pieces]) -> AsyncIterator["_Reader"]:
        """A file that is closed when the block ends, however it ends. Raises BusyError where no place becomes free."""
        async with self._places.place(scope, WAIT_SECONDS):
            reader = _Reader(open_pieces(), self._threads)
            try:
                yield reader
            finally:
                with anyio.CancelScope(shield=True):
                    await reader.close()


class _Reader:
    """Reads a file piece by piece, in threads."""

    def __init__(self, pieces: Pieces, threads: anyio.CapacityLimiter) -> None:
        self._pieces, self._threads = pieces, threads
        self._lock = threading.Lock()  # a read that was given up may still be under way when the file is closed

    async def read(self) -> bytes | None:
        """The next piece; None behind the last one."""
        return await anyio.to_thread.run_sync(self._read, limiter=self._threads)

    async def close(self) -> None:
        """Ends the reading, wherever it is."""
        await anyio.to_thread.run_sync(self._close, limiter=self._threads)

    def _read(self) -> bytes | None:
        with self._lock:
            return next(self._pieces, None)

    def _close(self) -> None:
        with self._lock:
            self._pieces.close()


class Download(Response):
    """An answer whose body is a file that is read while it is sent."""

    def __init__(
        self, downloads: Downloads, open_pieces: Callable[[], Pieces], media_type: str, headers: Mapping[str, str]
    ) -> None:
        self._downloads, self._open_pieces = downloads, open_pieces
        self.status_code, self.media_type, self.background = 200, media_type, None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the file, until all is sent, the client has gone, or it takes a piece too slowly."""
        async with self._downloads.started(scope, self._open_pieces) as reader:
            first_piece = await reader.read()  # before the answer begins, so that an error is an answer of its own
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
                try:
                    await self._send(first_piece, reader, send)
                except TimeoutError:  # without its end, so that the client sees that it is not whole
                    logger.warning("%s was not read on and is ended", scope["path"])
                tasks.cancel_scope.cancel()

    async def _send(self, piece: bytes | None, reader: "_Reader", send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while piece is not None:
            async with asyncio.timeout(PIECE_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await reader.read()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

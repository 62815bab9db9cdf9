"""Uploads: posted files, written to the disk a few at a time, and each read by a child process of its own."""

import errno
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from tempfile import NamedTemporaryFile
from typing import IO, Any

import anyio
from fastapi import Request
from starlette.datastructures import UploadFile

from app.errors import BusyError, FieldError, InvalidError, TooLargeError
from app.files.child import Limits, run_in_child
from app.web.security.bodies import BYTES_A_SECOND, GRACE_SECONDS, Pace, in_pace
from app.web.security.places import Places

MAX_UPLOADS = 4  # of one caller
WAIT_SECONDS = 30.0  # for a place, before an upload is refused
MAX_READ = 1  # at once, of one caller: each may take gigabytes, and one more of all
READ_WAIT_SECONDS = 600.0  # for a turn to be read: as long as one before it may take


class Uploads:
    """The places of a server's uploads, and the turns of the children that read them."""

    def __init__(self) -> None:
        self._places = Places(MAX_UPLOADS, "Other uploads are under way: try again in a moment.")
        self._turns = Places(MAX_READ, "Other uploads are being read: try again in some minutes.")
        self._threads = anyio.CapacityLimiter(self._turns.total)

    @asynccontextmanager
    async def body(self, request: Request, max_bytes: int, too_large: str) -> AsyncIterator[str]:
        """The path of a file with the request's body. Raises TooLargeError, TooSlowError and BusyError."""
        _refuse_large(int(request.headers.get("content-length") or 0), max_bytes, too_large)
        async with self._place(request):
            with NamedTemporaryFile(prefix="perceptune-upload-") as file:
                size = 0
                async for piece in _in_pace(request).stream():
                    size += len(piece)
                    _refuse_large(size, max_bytes, too_large)
                    file.write(piece)
                file.flush()
                yield file.name

    @asynccontextmanager
    async def form(self, request: Request, max_bytes: int, too_large: str) -> AsyncIterator[str]:
        """The path of a file with that of a posted form. Raises InvalidError too, where no file was chosen."""
        # a browser says how long the form is, and the server reads no more than that
        _refuse_large(int(request.headers.get("content-length") or max_bytes + 1), max_bytes, too_large)
        async with self._place(request), _in_pace(request).form(max_files=1, max_fields=1) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise InvalidError("Choose a file to import.", [FieldError(("file",), "is missing")])
            with NamedTemporaryFile(prefix="perceptune-upload-") as file:
                await anyio.to_thread.run_sync(_copy, upload.file, file)
                yield file.name

    async def read(
        self, request: Request, work: Callable[..., Any], *arguments: Any, limits: Limits | None = None
    ) -> Any:
        """What `work` makes of this request's upload in a child process, once it is its turn. Raises what it raises."""
        async with self._turns.place(request.scope, READ_WAIT_SECONDS):
            reading = partial(run_in_child, work, *arguments, limits=limits)
            return await anyio.to_thread.run_sync(reading, limiter=self._threads)

    @asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[None]:
        async with self._places.place(request.scope, WAIT_SECONDS):
            try:
                yield
            except OSError as error:
                # ENOENT: tempfile has no usable folder, which it looks for by writing
                if error.errno not in (errno.ENOSPC, errno.ENOENT):
                    raise
                raise BusyError(
                    "The server's folder for uploads is full: try again later, or send a smaller file."
                ) from None


def _in_pace(request: Request) -> Request:
    """The request, whose file has to come in time: a slow one keeps its place from others."""
    refusal = f"The file comes too slowly: send {BYTES_A_SECOND // 2**10} KiB a second, or a smaller one."
    return in_pace(request, Pace(GRACE_SECONDS, BYTES_A_SECOND, refusal))


def _refuse_large(size: int, max_bytes: int, too_large: str) -> None:
    if size > max_bytes:
        raise TooLargeError(too_large)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target)
    target.flush()

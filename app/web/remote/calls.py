"""The calls of workers over HTTP: between programs of one version, and so no part of the documented API."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from app.broker.broker import ContentHash, MaxTrials, Seconds
from app.broker.serving import arguments_of
from app.broker.wire import MEDIA_TYPE, OF_WORDS, VERSION_HEADER, Signature, arguments_named
from app.db.datasets import PIECE_BYTES
from app.db.migrations import program_version
from app.errors import VersionError
from app.web.remote.bell import Bell
from app.web.remote.workers import RemoteWorkers, WorkerCall

MAX_WAIT_SECONDS = 20.0
_UNLIMITED = 2**62  # the framework's own limit answers in plain text; these routes have limits of their own


def _same_version(request: Request) -> None:
    """Raises VersionError for a worker of another version than the server's."""
    version = request.headers.get(VERSION_HEADER, "unknown")
    if version != program_version():
        raise VersionError(
            f"The worker has version {version[:100]} and the server version {program_version()}: install the server's "
            "version where the worker runs."
        )


router = APIRouter(prefix="/api/v1/worker", include_in_schema=False, dependencies=[Depends(_same_version)])


async def _message(request: Request) -> AsyncIterator[bytes]:
    async with request.app.state.remote_workers.messages.received(request) as message:
        yield message


async def _words(request: Request) -> AsyncIterator[bytes]:
    async with request.app.state.remote_workers.messages.received(request, OF_WORDS.size) as message:
        yield message


async def _until_sent() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


# all of them end when the answer has gone
Message = Annotated[bytes, Depends(_message, scope="request")]
Words = Annotated[bytes, Depends(_words, scope="request")]
UntilSent = Annotated[AsyncExitStack, Depends(_until_sent, scope="request")]


def _words_of(call: str, **hints: Any) -> Callable[[bytes], dict[str, Any]]:
    """Reads the message of a call that has these arguments."""
    signed = Signature(arguments_named(hints), TypeAdapter(None))
    return lambda message: arguments_of(call, signed, message, OF_WORDS)


_waited_for = _words_of("wait", seconds=Seconds, moment=str)
_asked_for = _words_of("ask_ahead", sweep_id=int, max_trials=MaxTrials)
_fetched = _words_of("dataset", content_hash=ContentHash)


@router.post("/{worker_id}/wait", max_body_size=_UNLIMITED)
async def wait(words: Words, request: Request) -> Response:
    """Answers when there may be something to do since a moment, or after so many seconds."""
    arguments = await request.app.state.remote_workers.answer(partial(_waited_for, words))
    bell: Bell = request.app.state.broadcaster.bell
    await bell.wait(arguments["moment"], min(arguments["seconds"], MAX_WAIT_SECONDS))
    return Response(media_type=MEDIA_TYPE)


@router.post("/{worker_id}/ask_ahead", max_body_size=_UNLIMITED)
async def ask_ahead(worker_id: UUID, words: Words, request: Request, until_sent: UntilSent) -> Response:
    """Asks the sampler for the next trials of a sweep as they stand when the answer begins; it ends with the asking."""
    workers: RemoteWorkers = request.app.state.remote_workers
    if not await workers.may_ask_ahead(until_sent):
        return Response(media_type=MEDIA_TYPE)
    broker = workers.broker(worker_id)

    def prepare() -> Callable[[], None] | None:
        arguments = _asked_for(words)
        return broker.prepare_asking(broker.setup(arguments["sweep_id"]), arguments["max_trials"])

    ask = await workers.answer(prepare)
    if ask is None:
        return Response(media_type=MEDIA_TYPE)

    async def asking() -> AsyncIterator[bytes]:
        yield b"asking\n"
        await workers.answer(ask, is_slow=True)

    return StreamingResponse(asking(), media_type=MEDIA_TYPE)


@router.post("/{worker_id}/dataset", max_body_size=_UNLIMITED)
async def dataset(worker_id: UUID, words: Words, request: Request, until_sent: UntilSent) -> Response:
    """What is stored of a data set; a client that reads slowly holds no connection to the database meanwhile."""
    workers: RemoteWorkers = request.app.state.remote_workers
    arguments = await workers.answer(partial(_fetched, words))
    await workers.keep_room(PIECE_BYTES, until_sent)
    pieces = workers.broker(worker_id).dataset_pieces(**arguments)

    async def sent_pieces() -> AsyncIterator[bytes]:
        while (piece := await workers.answer(lambda: next(pieces, None))) is not None:
            yield piece

    return StreamingResponse(sent_pieces(), media_type=MEDIA_TYPE)


@router.post("/{worker_id}/{call}", max_body_size=_UNLIMITED)
async def call(worker_id: UUID, call: str, message: Message, request: Request, until_sent: UntilSent) -> Response:
    """Any other call."""
    workers: RemoteWorkers = request.app.state.remote_workers
    moment = request.app.state.broadcaster.bell.moment
    content = await workers.call(WorkerCall(worker_id, call, message, moment), until_sent)
    return Response(content, media_type=MEDIA_TYPE)

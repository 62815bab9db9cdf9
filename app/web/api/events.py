"""Streams of server-sent events that tell which sweeps changed."""

from collections.abc import AsyncIterator, Collection
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from app.access.shares import PLACE
from app.lifecycle import sweep_row
from app.web.dependencies import DatabaseSession, SweepId, caller_name
from app.web.error_handlers import problems
from app.web.events import Broadcaster
from app.web.security.gate import Gate

router = APIRouter(prefix="/api/v1", tags=["events"])


async def _place(request: Request) -> AsyncIterator[None]:
    broadcaster: Broadcaster = request.app.state.broadcaster
    with broadcaster.place(is_shared=request.url.path.startswith(PLACE), key=caller_name(request)):
        yield


STREAM_PLACE = Depends(_place, scope="request")  # until the stream has ended


@router.get("/events", response_class=EventSourceResponse, dependencies=[STREAM_PLACE])
async def all_events(request: Request) -> AsyncIterator[ServerSentEvent]:
    """`event: sweep` with `{id, revision, state, progress}` whenever any sweep changed."""
    async for event in stream(request.app.state.broadcaster):
        if not await _may_listen(request):
            return
        yield event


def _existing_id(sweep_id: SweepId, session: DatabaseSession) -> int:
    """The sweep's number, looked up before the stream starts, so that an unknown one is 404."""
    return sweep_row.get(session, sweep_id).id


@router.get(
    "/sweeps/{sweep_id}/events",
    response_class=EventSourceResponse,
    responses=problems(404),
    dependencies=[STREAM_PLACE],
)
async def sweep_events(
    sweep_id: Annotated[int, Depends(_existing_id)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The same for one sweep."""
    async for event in stream(request.app.state.broadcaster, {sweep_id}):
        if not await _may_listen(request):
            return
        yield event


async def _may_listen(request: Request) -> bool:
    """Whether this stream may go on: it may be older than the revocation of its key."""
    gate: Gate = request.app.state.gate
    try:
        return gate.remembered_caller(request) is not None or await run_in_threadpool(gate.still_lets_in, request)
    except SQLAlchemyError:  # the database is away: who listens comes again
        return False


async def stream(broadcaster: Broadcaster, sweep_ids: Collection[int] | None = None) -> AsyncIterator[ServerSentEvent]:
    """The events of these sweeps, or of all, after a comment that tells the client that it is connected."""
    yield ServerSentEvent(comment="connected", retry=2000)
    async for event in broadcaster.subscribe():
        if sweep_ids is None or event.id in sweep_ids:
            yield ServerSentEvent(event="sweep", data=event.model_dump(mode="json"))

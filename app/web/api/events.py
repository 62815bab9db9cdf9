"""Server-sent events: which sweep changed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.lifecycle import sweep_row
from app.web.api.sweeps import SweepId
from app.web.dependencies import DatabaseSession, problems
from app.web.events import Broadcaster

router = APIRouter(prefix="/api/v1", tags=["events"])


async def _events(live: Broadcaster, sweep_id: int | None) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="connected", retry=2000)
    async for event in live.subscribe():
        if sweep_id in {None, event.id}:
            yield ServerSentEvent(event="sweep", data=event.model_dump(mode="json"))


@router.get("/events", response_class=EventSourceResponse)
async def all_events(request: Request) -> AsyncIterator[ServerSentEvent]:
    """`event: sweep` with `{id, revision, state, progress}` whenever any sweep changed."""
    async for event in _events(request.app.state.live, None):
        yield event


def _existing(sweep_id: SweepId, session: DatabaseSession) -> int:
    """The sweep's number; looked up before the stream starts, so that an unknown one is 404."""
    return sweep_row.get(session, sweep_id).id


@router.get("/sweeps/{sweep_id}/events", response_class=EventSourceResponse, responses=problems(404))
async def sweep_events(
    sweep_id: Annotated[int, Depends(_existing)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The same for one sweep."""
    async for event in _events(request.app.state.live, sweep_id):
        yield event

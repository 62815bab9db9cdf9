"""One LISTEN connection becomes server-sent events. The only async file.

A notification is a hint: what is sent is read again from the tables, and a slow poll stands behind it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg
from psycopg import sql
from pydantic import BaseModel
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from app import results, trial_queue
from app.db import CHANNEL, transaction
from app.models import Sweep, SweepState

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.2  # notifications of so long are answered with one read
POLL_SECONDS = 5.0
QUEUE_LENGTH = 1000


class SweepEvent(BaseModel):
    """A sweep changed. A deleted one has the state `deleted`."""

    id: int
    revision: int
    state: str
    progress: float


class Live:
    """Tells subscribers which sweeps changed. `run` is the server's background task."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subscribers: set[asyncio.Queue[SweepEvent]] = set()
        self._changed: set[int] = set()
        self._sent: dict[int, int] = {}
        self._wake = asyncio.Event()

    async def subscribe(self) -> AsyncIterator[SweepEvent]:
        """Events from now on; a subscriber that falls far behind is ended, and connects again by itself."""
        queue: asyncio.Queue[SweepEvent] = asyncio.Queue(QUEUE_LENGTH)
        self._subscribers.add(queue)
        try:
            while queue in self._subscribers:
                yield await queue.get()
        finally:
            self._subscribers.discard(queue)

    async def run(self) -> None:
        """Listens and sends until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._send())

    async def _listen(self) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        delay = 0.5
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    delay = 0.5
                    async for notice in connection.notifies():
                        self._changed.add(int(notice.payload))
                        self._wake.set()
            except psycopg.Error as error:
                logger.warning("lost the connection that listens (%s); connecting again", str(error).strip())
            await asyncio.sleep(delay)
            delay = min(delay * 2, POLL_SECONDS)

    async def _send(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
            polled = not self._wake.is_set()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            changed, self._changed = self._changed, set()
            try:
                events = await asyncio.to_thread(self._read, changed, polled)
            except SQLAlchemyError as error:
                logger.warning("could not read what changed: %s", str(error).splitlines()[0])
                self._changed |= changed
                continue
            for event in events:
                self._broadcast(event)

    def _read(self, changed: set[int], polled: bool) -> list[SweepEvent]:
        with transaction(self._engine) as session:
            if polled:
                trial_queue.expire(session)  # so that a lost worker's trials come back even when no other one is there
                active = (SweepState.queued, SweepState.running, SweepState.paused, SweepState.stopping)
                changed = (
                    changed | set(session.scalars(select(Sweep.id).where(Sweep.state.in_(active)))) | set(self._sent)
                )
            found = session.scalars(select(Sweep).where(Sweep.id.in_(changed))).all()
            events = [
                SweepEvent(id=sweep.id, revision=sweep.revision, state=sweep.state, progress=sweep.progress)
                for sweep in results.summaries(session, found)
            ]
        gone = changed - {sweep.id for sweep in found}
        return events + [SweepEvent(id=sweep_id, revision=0, state="deleted", progress=0) for sweep_id in gone]

    def _broadcast(self, event: SweepEvent) -> None:
        if self._sent.get(event.id) == event.revision:
            return
        self._sent[event.id] = event.revision
        if event.state in {"deleted", "completed", "cancelled", "failed"}:
            del self._sent[event.id]
        for queue in list(self._subscribers):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._subscribers.discard(queue)

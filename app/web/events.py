"""One LISTEN connection becomes server-sent events. The only async file.

A notification is a hint: what is sent is read again from the tables, and a slow poll stands behind it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import ParamSpec, TypeVar

import psycopg
from psycopg import sql
from pydantic import BaseModel
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app import queries
from app.db.engine import PATIENCE, transaction
from app.db.notifications import CHANNEL
from app.db.tables import Sweep
from app.domain.states import SweepState
from app.lifecycle import stop_rules
from app.queue.leases import expire
from app.queue.workers import forget_workers

Given = ParamSpec("Given")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.2  # notifications of so long are answered with one read
POLL_SECONDS = 5.0
TIDY_SECONDS = 86_400.0
QUEUE_LENGTH = 1000


class SweepEvent(BaseModel):
    """A sweep changed. A deleted one has the state `deleted`."""

    id: int
    revision: int
    state: str
    progress: float


class Broadcaster:
    """Tells subscribers which sweeps changed. `run` is the server's background task."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subscribers: set[asyncio.Queue[SweepEvent | None]] = set()
        self._changed: set[int] = set()
        self._sent: dict[int, int] = {}
        self._polled_at = -POLL_SECONDS
        self._tidied_at = -TIDY_SECONDS
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def subscribe(self) -> AsyncIterator[SweepEvent]:
        """Events from now on; a subscriber that falls far behind is ended, and connects again by itself."""
        queue: asyncio.Queue[SweepEvent | None] = asyncio.Queue(QUEUE_LENGTH)
        self._subscribers.add(queue)
        try:
            while queue in self._subscribers and (event := await queue.get()) is not None:
                yield event
        finally:
            self._subscribers.discard(queue)

    def end(self) -> None:
        """Ends all streams, so that the server can stop; from any thread, once it runs."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for queue in list(self._subscribers):
            self._subscribers.discard(queue)
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def run(self) -> None:
        """Listens and sends until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._send())

    async def _listen(self) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        delay = 0.5
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True, **PATIENCE) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    delay = 0.5
                    self._polled_at = -POLL_SECONDS  # what happened before is not notified
                    self._wake.set()
                    async for notice in connection.notifies():
                        if notice.payload.isdecimal() and len(notice.payload) <= 18:  # else not from us: no bigint
                            self._changed.add(int(notice.payload))
                            self._wake.set()
            except psycopg.Error as error:
                logger.warning("lost the connection that listens (%s); connecting again", str(error).strip())
            await asyncio.sleep(delay)
            delay = min(delay * 2, POLL_SECONDS)

    async def _send(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # not wait_for, which forgets a cancellation that comes together with what it waits for
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            now = time.monotonic()
            polled = now - self._polled_at >= POLL_SECONDS
            changed, self._changed = self._changed, set()
            try:
                events = await _in_thread(self._read, changed, polled)
            except Exception as error:  # whatever it is, the next poll may read it
                logger.warning("could not read what changed: %s", str(error).splitlines()[:1])
                self._changed |= changed
                continue
            if polled:
                self._polled_at = now
            for event in events:
                self._broadcast(event)

    def _read(self, changed: set[int], polled: bool) -> list[SweepEvent]:
        if polled:
            with transaction(self._engine) as session:
                stop_rules.stop_late(session)
        with transaction(self._engine) as session:
            if polled:
                self._tidy(session)
                expire(session)  # so that a lost worker's trials come back even when no other one is there
                active = (SweepState.queued, SweepState.running, SweepState.paused, SweepState.stopping)
                changed = (
                    changed | set(session.scalars(select(Sweep.id).where(Sweep.state.in_(active)))) | set(self._sent)
                )
            found = session.scalars(select(Sweep).where(Sweep.id.in_(changed))).all()
            events = [
                SweepEvent(id=sweep.id, revision=sweep.revision, state=sweep.state, progress=sweep.progress)
                for sweep in queries.summaries(session, found)
            ]
        gone = changed - {sweep.id for sweep in found}
        return events + [SweepEvent(id=sweep_id, revision=0, state="deleted", progress=0) for sweep_id in gone]

    def _tidy(self, session: Session) -> None:
        """Once a day, and when the server starts."""
        if time.monotonic() - self._tidied_at >= TIDY_SECONDS:
            forget_workers(session)
            self._tidied_at = time.monotonic()

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


async def _in_thread(function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """What the function gives; who is cancelled meanwhile waits for it, for a thread can't be stopped."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await running
        raise

"""Events that tell subscribers which sweeps changed.

A notification of the database is a hint: what is sent is read again from the tables, and a slow poll stands behind it.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple, TypeVar

from pydantic import BaseModel
from sqlalchemy import Engine, select

from app import queries
from app.db.engine import transaction
from app.db.tables import Sweep
from app.domain.states import ENDED_SWEEPS
from app.errors import BusyError, in_short
from app.web.listener import Listener
from app.web.remote.bell import Bell
from app.web.upkeep import Upkeep

Argument = TypeVar("Argument")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.2  # notifications of so long are answered with one read
POLL_SECONDS = 5.0
PACE_SECONDS = 0.3  # for each page that is open: each fetches itself anew after an event
STAGGER_SECONDS = 0.03  # from one of them to the next, or all would want a connection to the database at once
# of many pages, of which one has all made for the others: so that they cost less than 5 % of a core together
MANY_SECONDS, MANY_PACE_SECONDS = 2.0, 0.1
MAX_QUEUED_EVENTS = 1000  # of one subscriber
MAX_STREAMS = 500  # at once: each keeps a connection for as long as its client likes
MAX_STREAMS_OF_KEY = 400
MAX_STREAMS_BESIDE_SHARED = 250  # beside which one more that a shared link opens has a place
DELETED = "deleted"


class SweepEvent(BaseModel):
    """A sweep changed. A deleted one has the state `deleted`."""

    id: int
    revision: int
    state: str
    progress: float


class News(NamedTuple):
    """How a sweep stands, with the last entry of its log, in which is whatever people do to it."""

    event: SweepEvent
    entry: int = 0

    def is_progress_since(self, earlier: "News") -> bool:
        """Whether the sweep has only got on since."""
        return (self.event.state, self.entry) == (earlier.event.state, earlier.entry)


class Sent(NamedTuple):
    """The last news of a sweep that were sent."""

    news: News
    at: float  # time.monotonic


class Broadcaster:
    """Sends each change of a sweep to all subscribers. `run` is the server's background task.

    What people change is sent at once; progress the less often, the more pages fetch themselves after it.
    """

    def __init__(self, engine: Engine, hear: Callable[[str], None] = lambda _: None) -> None:
        """`hear`: takes what servers tell each other of keys."""
        self._engine = engine
        self._listener = Listener(engine, hear)
        self._upkeep = Upkeep(engine)
        self._polled_at = -math.inf  # time.monotonic
        self._subscribers: dict[asyncio.Queue[SweepEvent | None], None] = {}  # in the order in which they came
        self._sent: dict[int, Sent] = {}  # by the id of the sweep, until it has ended
        self._held_news: dict[int, News] = {}  # progress whose time has not come
        self._loop: asyncio.AbstractEventLoop | None = None
        self._streams = 0  # whose requests were let in
        self._streams_of_keys = Counter[str]()  # by the key's name

    @property
    def bell(self) -> Bell:
        """Rings when there may be something to do for workers."""
        return self._listener.bell

    @property
    def subscriber_count(self) -> int:
        """Streams that are open."""
        return len(self._subscribers)

    @contextlib.contextmanager
    def place(self, *, is_shared: bool, key: str | None = None) -> Iterator[None]:
        """Has room for one stream while the block runs, of this key where one is needed. Raises BusyError."""
        is_full = self._streams >= (MAX_STREAMS_BESIDE_SHARED if is_shared else MAX_STREAMS)
        if is_full or (key is not None and self._streams_of_keys[key] >= MAX_STREAMS_OF_KEY):
            raise BusyError("Too many pages listen for changes: try again in a moment.")
        keys = [] if key is None else [key]
        self._streams += 1
        self._streams_of_keys.update(keys)
        try:
            yield
        finally:
            self._streams -= 1
            self._streams_of_keys -= Counter(keys)  # which leaves none at 0 behind

    async def subscribe(self) -> AsyncIterator[SweepEvent]:
        """Events from now on; a subscriber that falls far behind is ended, and connects again by itself."""
        queue: asyncio.Queue[SweepEvent | None] = asyncio.Queue(MAX_QUEUED_EVENTS)
        self._subscribers[queue] = None
        try:
            while queue in self._subscribers and (event := await queue.get()) is not None:
                yield event
        finally:
            self._subscribers.pop(queue, None)

    def end(self) -> None:
        """Ends all streams, so that the server can stop; from any thread, once it runs."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self.bell.ring()
        for queue in list(self._subscribers):
            self._subscribers.pop(queue, None)
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def run(self) -> None:
        """Listens, reads and sends until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listener.run())
            tasks.create_task(self._send())

    async def _send(self) -> None:
        """Sends what has changed after each notification, and at least every POLL_SECONDS."""
        while True:
            await self._listener.wait(GATHER_SECONDS if self._held_news else POLL_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)
            for news in list(self._held_news.values()):
                self._broadcast(news)
            sweep_ids = self._listener.take()
            try:
                for news in await self._changes(sweep_ids):
                    self._broadcast(news)
            except Exception as error:  # whatever it is, the next poll may read it
                logger.warning("could not read what changed: %s", in_short(error))
                self._listener.put_back(sweep_ids)
                self._polled_at = -math.inf

    async def _changes(self, sweep_ids: set[int]) -> list[News]:
        """How these sweeps stand, and when a poll is due all others that have not ended."""
        now = time.monotonic()
        if not self._listener.may_have_missed and now - self._polled_at < POLL_SECONDS:
            return await _in_thread(self._read, sweep_ids)
        self._listener.may_have_missed = False
        all_news = await _in_thread(self._poll, sweep_ids | set(self._sent))
        self._polled_at = now
        return all_news

    def _poll(self, sweep_ids: set[int]) -> list[News]:
        """How these sweeps and all that have not ended stand, after a round of upkeep."""
        self._upkeep.run()
        with transaction(self._engine) as session:
            going = select(Sweep.id).where(Sweep.state.not_in(ENDED_SWEEPS))
            sweep_ids = sweep_ids | set(session.scalars(going))
        return self._read(sweep_ids)

    def _read(self, sweep_ids: set[int]) -> list[News]:
        """How these sweeps stand; a number that is no sweep's is that of a deleted one."""
        with transaction(self._engine) as session:
            all_news = [
                News(SweepEvent(id=row.id, revision=row.revision, state=row.state, progress=row.progress), row.entry)
                for row in queries.standings(session, sweep_ids)
            ]
        deleted_ids = sweep_ids - {news.event.id for news in all_news}
        return all_news + [
            News(SweepEvent(id=sweep_id, revision=0, state=DELETED, progress=0)) for sweep_id in deleted_ids
        ]

    def _broadcast(self, news: News) -> None:
        """Puts the news into every subscriber's queue; what was sent before is not, and progress has its pace."""
        event = news.event
        self._held_news.pop(event.id, None)
        sent, now = self._sent.get(event.id), time.monotonic()
        if sent is not None and sent.news.event.revision == event.revision:
            return
        is_progress = sent is not None and news.is_progress_since(sent.news)
        if sent is not None and is_progress and now < sent.at + _pace(len(self._subscribers)):
            self._held_news[event.id] = news
            return
        self._sent[event.id] = Sent(news, now)
        if event.state == DELETED or event.state in ENDED_SWEEPS:
            del self._sent[event.id]
        loop = asyncio.get_running_loop()
        for place, queue in enumerate(list(self._subscribers)):
            if place == 0:
                self._put(queue, event)
            else:
                loop.call_later(STAGGER_SECONDS * place, self._put, queue, event)

    def _put(self, queue: asyncio.Queue[SweepEvent | None], event: SweepEvent) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            self._subscribers.pop(queue, None)


def _pace(pages: int) -> float:
    """Seconds between two events of progress: what is made for the first page costs most, what is sent again little."""
    return min(PACE_SECONDS * pages, MANY_SECONDS + MANY_PACE_SECONDS * pages)


async def _in_thread(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """What the function returns; who is cancelled meanwhile waits for it, for a thread can't be stopped."""
    task = asyncio.ensure_future(asyncio.to_thread(function, argument))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await task
        raise

"""What a server shares among the workers that call it over HTTP: places for calls, and room for what they say."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

import anyio
from sqlalchemy import Engine

from app.broker import CallError, DatabaseBroker, FaultError, UnreachableError, reason_of
from app.broker.database import PassedOver
from app.broker.serving import LOADING_CALLS, READING_CALLS, SLOW_CALLS, VITAL_CALLS, answer, unpacked_arguments
from app.errors import InvalidError, PerceptuneError, UnavailableError
from app.web.remote.messages import NO_ROOM, SMALL_BYTES, Messages
from app.web.security.room import Room

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# At once, each with a thread and a connection to the database; vital ones keep leases, slow ones ask samplers, reading
# ones read very many rows, loading ones what is large.
VITAL_PLACES, QUICK_PLACES, SLOW_PLACES, READING_PLACES, LOADING_PLACES = 6, 12, 4, 2, 2
ASKING_PLACES = 2  # of the slow ones, for who asks ahead: claims have the others
# Of the JSON of messages while it is read and used, and of answers until they are sent.
VALUE_BYTES, ANSWER_BYTES = 256 * 2**20, 256 * 2**20
SMALL_VALUE_BYTES = 2**20  # of the JSON of one
MAX_WAITING_ANSWERS = 32  # each is in memory while it waits for room to be sent
PASSED_OVER_SECONDS = 60.0  # after which a worker's next claim comes to sweeps again that were at fault before


class WorkerCall(NamedTuple):
    """A call as it came."""

    worker_id: UUID
    name: str
    message: bytes
    moment: str  # of the bell, before it


class RemoteWorkers:
    """The workers of one server that have no database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._passed_over: dict[UUID, PassedOver] = {}  # by worker, until they are forgotten
        self._forgets_at = 0.0
        self._quick, self._slow = asyncio.Semaphore(QUICK_PLACES), asyncio.Semaphore(SLOW_PLACES)
        self._vital, self._asking = asyncio.Semaphore(VITAL_PLACES), asyncio.Semaphore(ASKING_PLACES)
        self._reading, self._loading = asyncio.Semaphore(READING_PLACES), asyncio.Semaphore(LOADING_PLACES)
        places = VITAL_PLACES + QUICK_PLACES + SLOW_PLACES + READING_PLACES + LOADING_PLACES
        self._threads = anyio.CapacityLimiter(places)
        self.messages = Messages()
        self._values, self._answers = Room(VALUE_BYTES, NO_ROOM), Room(ANSWER_BYTES, NO_ROOM, MAX_WAITING_ANSWERS)
        self.stopping = threading.Event()  # ends what asks samplers

    def broker(self, worker_id: UUID) -> DatabaseBroker:
        """The broker of a worker, for one call."""
        if time.monotonic() > self._forgets_at:
            self._passed_over, self._forgets_at = {}, time.monotonic() + PASSED_OVER_SECONDS
        passed_over = self._passed_over.setdefault(worker_id, PassedOver())
        return DatabaseBroker(self._engine, self.stopping, worker_id, passed_over)

    async def answer(self, work: Callable[[], Result], *, is_slow: bool = False) -> Result:
        """What `work` gives, once it is its turn. Raises PerceptuneError."""
        async with self._slow if is_slow else self._quick:
            return await self._in_thread(work)

    async def may_ask_ahead(self, until_sent: AsyncExitStack) -> bool:
        """Whether there is a place to ask ahead in, which is kept until the answer has gone.

        Nobody waits for one: what is not asked ahead is asked when it is claimed.
        """
        if self._asking.locked():
            return False
        await until_sent.enter_async_context(self._asking)
        return True

    async def call(self, request: WorkerCall, until_sent: AsyncExitStack) -> bytes:
        """The answer to a call, once it is its turn and there is room for what it says. Raises PerceptuneError.

        `until_sent`: closed when the answer has gone, which takes room until then.
        """
        async with self._place(request.name):
            answer_bytes = await self._answer_bytes(request)
            if request.name in LOADING_CALLS:  # whose answers are large: as few wait as have places
                await self.keep_room(len(answer_bytes), until_sent)
        if request.name not in LOADING_CALLS:  # nobody waits for a place behind those who read slowly
            await self.keep_room(len(answer_bytes), until_sent)
        return answer_bytes

    async def _answer_bytes(self, request: WorkerCall) -> bytes:
        content = await self._in_thread(partial(unpacked_arguments, request.name, request.message))
        needs_room = content.memory > SMALL_VALUE_BYTES
        async with self._values.share(content.memory) if needs_room else nullcontext():
            broker = self.broker(request.worker_id)
            return await self._in_thread(partial(answer, broker, request.name, content, request.moment))

    async def keep_room(self, size: int, until_sent: AsyncExitStack) -> None:
        """Has so many bytes of an answer free until it is sent. Raises BusyError."""
        if size > SMALL_BYTES:
            await until_sent.enter_async_context(self._answers.share(size))

    def _place(self, call: str) -> asyncio.Semaphore:
        if call in LOADING_CALLS:
            return self._loading
        if call in VITAL_CALLS:
            return self._vital
        if call in READING_CALLS:
            return self._reading
        return self._slow if call in SLOW_CALLS else self._quick

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        with refusals():
            return await anyio.to_thread.run_sync(work, limiter=self._threads)


@contextmanager
def refusals() -> Iterator[None]:
    """Raises what goes wrong within a call as a problem; what is a bug too, for the worker has trials to answer for."""
    try:
        yield
    except UnreachableError as error:
        raise UnavailableError(str(error)) from error
    except FaultError as error:
        raise PerceptuneError(str(error)) from error
    except CallError as error:
        raise InvalidError(str(error)) from error
    except PerceptuneError:  # of a sweep that is not there, or not any more: it says so, and with which status
        raise
    except Exception as error:
        logger.exception("a worker's call raised an error")
        raise PerceptuneError(reason_of(error)) from error

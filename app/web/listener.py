"""The connection on which the database tells the server that sweeps have changed, and which keys were wrong."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from app.db.engine import TIMEOUTS, application_name, direct_url
from app.db.notifications import CHANNEL, KEYS_CHANNEL, WORK_CHANNEL
from app.web.remote.bell import Bell

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.5  # before a lost connection is opened again; doubled with each attempt
MAX_DELAY_SECONDS = 5.0
MAX_DIGITS = 18  # of a sweep's number: one more may be too large for a bigint


class Listener:
    """Gathers the ids of sweeps that notifications name, and rings the bell of those that may leave something to do.

    Its connection is opened again when it is lost.
    """

    def __init__(self, engine: Engine, hear: Callable[[str], None]) -> None:
        """`hear`: takes what servers tell each other of keys."""
        self._url = direct_url(engine)
        self._hear = hear
        self._sweep_ids: set[int] = set()
        self._wake = asyncio.Event()
        self.bell = Bell()
        self.may_have_missed = True  # notifications, because nobody listened when they were sent

    async def run(self) -> None:
        """Listens until it is cancelled; not at all where no connection can be had to itself: then polls tell."""
        if self._url is None:
            return
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                async with self._listening(self._url) as connection:
                    delay = FIRST_DELAY_SECONDS
                    self.may_have_missed = True
                    self._wake.set()
                    self.bell.ring()
                    async for notification in connection.notifies():
                        self._receive(notification)
            except psycopg.Error as error:
                logger.warning("lost the connection that listens (%s); connecting again", str(error).strip())
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_DELAY_SECONDS)

    @contextlib.asynccontextmanager
    async def _listening(self, url: str) -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name=application_name("server listening"), **TIMEOUTS
        ) as connection:
            for channel in (CHANNEL, KEYS_CHANNEL, WORK_CHANNEL):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield connection

    def _receive(self, notification: psycopg.Notify) -> None:
        if notification.channel == KEYS_CHANNEL:
            self._hear(notification.payload)
        elif notification.channel == WORK_CHANNEL:
            self.bell.ring()
        else:
            self._gather(notification.payload)

    def _gather(self, payload: str) -> None:
        """Notes the id; anything else on the channel is not from us."""
        if payload.isdecimal() and len(payload) <= MAX_DIGITS:
            self._sweep_ids.add(int(payload))
            self._wake.set()

    async def wait(self, seconds: float) -> None:
        """Returns when there is something to read, or after so long."""
        with contextlib.suppress(TimeoutError):
            # not wait_for, which forgets a cancellation that comes together with what it waits for
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def take(self) -> set[int]:
        """The ids gathered since the last call."""
        self._wake.clear()
        sweep_ids, self._sweep_ids = self._sweep_ids, set()
        return sweep_ids

    def put_back(self, sweep_ids: set[int]) -> None:
        """Returns ids that could not be read, for the next `take`."""
        self._sweep_ids |= sweep_ids

"""Runs flows in asyncio: sends their requests, pauses and listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import httpx

from perceptune.flows import Call, Flow, Listen, Outcome, Pause, Wakeup
from perceptune.transport import POLL_SECONDS, STREAM_SECONDS, EventReader, Options, request_of, stream_timeout

Answer = TypeVar("Answer")


class AsyncTransport:
    """Runs flows in asyncio."""

    def __init__(self, options: Options) -> None:
        self._http = httpx.AsyncClient(**options)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def run(self, flow: Flow[Answer]) -> Answer:
        """What the flow returns."""
        stream = _AsyncStream(self._http)
        outcome: Outcome = None
        try:
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    answer: Answer = end.value
                    return answer
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await (stream.listen(step) if isinstance(step, Listen) else self._send(step))
        finally:
            await stream.close()

    async def _send(self, call: Call[Any]) -> Outcome:
        try:
            return await self._http.send(request_of(self._http, call))
        except httpx.TransportError as error:
            return error


class _AsyncStream:
    """A stream of events, opened when it is first listened to, and again where it broke."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._lines: AsyncIterator[str]
        self._patience = 0.0

    async def listen(self, step: Listen) -> Wakeup | None:
        """The next event or sign of life; None when the time is over, or a while after the stream broke."""
        try:
            if self._response is None or self._patience > step.seconds:
                await self._open(step)
            reader = EventReader()
            async for line in self._lines:
                if wakeup := reader.feed(line):
                    return wakeup
        except httpx.ReadTimeout:
            await self.close()
            return None
        except (httpx.HTTPError, ValueError):
            pass
        await self.close()
        await asyncio.sleep(min(step.seconds, POLL_SECONDS))
        return None

    async def close(self) -> None:
        """Ends the stream."""
        if self._response is not None:
            await self._response.aclose()
        self._response = None

    async def _open(self, step: Listen) -> None:
        await self.close()
        self._patience = min(step.seconds, STREAM_SECONDS)
        request = self._http.build_request("GET", step.path, timeout=stream_timeout(self._patience))
        self._response = await self._http.send(request, stream=True)
        self._lines = self._response.raise_for_status().aiter_lines()

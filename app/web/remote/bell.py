"""A bell that rings when there may be something to do for workers: those who wait for it over HTTP go and look."""

import asyncio
import contextlib
from uuid import uuid4

ANOTHER_BELL_SECONDS = 1.0


class Bell:
    """Counts its rings, so that who comes late learns that it has rung since. Used in the server's event loop."""

    def __init__(self) -> None:
        self._name = uuid4().hex  # another server's bell rings at other moments
        self._rings = 0
        self._ringing = asyncio.Event()

    @property
    def moment(self) -> str:
        """Changes with each ring; read in any thread."""
        return f"{self._name}/{self._rings}"

    def ring(self) -> None:
        """Ends all waits."""
        self._rings += 1
        self._ringing.set()
        self._ringing = asyncio.Event()

    async def wait(self, moment: str, seconds: float) -> None:
        """Returns when it has rung since this moment, or after so long; soon after another server's moment.

        What that one rang for, this one may have rung for before: who would wait for long could wait in vain, who came
        back at once would ask without end.
        """
        if moment.startswith(self._name):
            if moment != self.moment:
                return
        else:
            seconds = min(seconds, ANOTHER_BELL_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ringing.wait()

"""How many training examples a worker passes through its networks in a second, and how fast it trains."""

import threading
import time
from typing import NamedTuple

FADING = 0.5  # what was measured counts for so much less with each look at which there is more


class Rates(NamedTuple):
    """What was measured until now."""

    examples: float  # a second since the look before, whether it trained or not
    speed: float | None  # cost a second while it trained; None where it has not since the look before


class Throughput:
    """Counted by the thread that trains, asked by the one that sends heartbeats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._examples = 0
        self._since = self._trained_until = time.monotonic()
        self._cost = self._seconds = 0.0

    def begin(self) -> None:
        """Training begins, or goes on after a pause."""
        with self._lock:
            self._trained_until = time.monotonic()

    def add(self, examples: int, cost: float) -> None:
        """So many examples were passed through networks since the last time, and what that costs."""
        with self._lock:
            now = time.monotonic()
            self._examples += examples
            self._cost += cost
            self._seconds += now - self._trained_until
            self._trained_until = now

    def take(self) -> Rates:
        """The rates until now; of examples it counts from here on."""
        with self._lock:
            now = time.monotonic()
            speed = self._cost / max(self._seconds, 1e-3) if self._examples else None
            rates = Rates(self._examples / max(now - self._since, 1e-3), speed)
            if self._examples:
                self._cost, self._seconds = self._cost * FADING, self._seconds * FADING
            self._examples, self._since = 0, now
        return rates

"""How many training examples a worker passes through its networks in a second."""

import threading
import time


class Throughput:
    """Counted by the thread that trains, asked by the one that sends heartbeats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._examples = 0
        self._since = time.monotonic()

    def add(self, examples: int) -> None:
        """So many examples were passed through a network."""
        with self._lock:
            self._examples += examples

    def take_rate(self) -> float:
        """Examples a second since the last call."""
        with self._lock:
            now = time.monotonic()
            rate = self._examples / max(now - self._since, 1e-3)
            self._examples, self._since = 0, now
        return rate

"""Answers that took long to make, kept while what they were made from is the same."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST = 64  # of some hundred kilobytes each


class LRUCache:
    """The last answers, by a key that changes whenever they would."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, str] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], str]) -> str:
        """What was made for this key, made now if it is not kept. Two who ask at once may both make it."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = make()
        with self._lock:
            self._found[key] = made
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return made

"""A cache of answers that take long to make, such as large charts."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_ENTRIES = 64  # of some hundred kilobytes each


class LRUCache:
    """Texts by key, of which the least recently used one makes room for a new one.

    Nothing expires: a key has to contain whatever the text depends on, such as the revision of a sweep.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._texts: OrderedDict[Hashable, str] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}  # by the key of what is being made

    def get_or_make(self, key: Hashable, make: Callable[[], str]) -> str:
        """The text of this key, made now if it is not in the cache; of all who ask meanwhile one makes it."""
        with self._lock:
            if (text := self._find(key)) is not None:
                return text
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if (text := self._find(key)) is not None:
                    return text
            try:
                text = make()
                self._keep(key, text)
                return text
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _find(self, key: Hashable) -> str | None:
        if key not in self._texts:
            return None
        self._texts.move_to_end(key)
        return self._texts[key]

    def _keep(self, key: Hashable, text: str) -> None:
        with self._lock:
            self._texts[key] = text
            while len(self._texts) > self._max_entries:
                self._texts.popitem(last=False)

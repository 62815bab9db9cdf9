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

    def get_or_make(self, key: Hashable, make: Callable[[], str]) -> str:
        """The text of this key, made now if it is not in the cache. Two threads that ask at once may both make it."""
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key]
        text = make()
        with self._lock:
            self._texts[key] = text
            while len(self._texts) > self._max_entries:
                self._texts.popitem(last=False)
        return text

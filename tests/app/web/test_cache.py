"""The cache of answers that take long to make."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.web.cache import LRUCache


def test_an_answer_is_made_once_and_the_oldest_is_let_go() -> None:
    """Of three answers where two have room, the one that was asked for longest ago is made again."""
    made_names: list[str] = []

    def make(name: str) -> str:
        made_names.append(name)
        return name

    cache = LRUCache(max_entries=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get_or_make(name, lambda name=name: make(name)) == name  # type: ignore[misc]
    assert made_names == ["a", "b", "c", "b"]


def test_of_many_who_ask_at_once_one_makes_the_answer() -> None:
    """The others wait for it; where it can't be made each of them is told, and the next one tries anew."""
    cache, makers, all_asked = LRUCache(), [], threading.Barrier(8)

    def make() -> str:
        makers.append(threading.get_ident())
        time.sleep(0.05)  # long enough that the others ask meanwhile, were they let
        return "answer"

    def ask(_: int) -> str:
        all_asked.wait(10)
        return cache.get_or_make("key", make)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == ["answer"] * 8
    assert len(makers) == 1
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.get_or_make("other", lambda: str(1 / 0))
    assert cache.get_or_make("other", lambda: "made") == "made"

"""Waiting for what happens elsewhere, never longer than said."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LEAST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds between two looks
LOOKING = 0.2  # of the time, at most: who asks a server or a database takes the processor from what is waited for


def wait_until(condition: Callable[[], Result], seconds: float = 120.0) -> Result:
    """What `condition` gives once that is true; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        if result := condition():
            return result
        now = time.monotonic()
        assert now < end, f"it did not happen within {seconds:g} s"
        time.sleep(min(max(LEAST_PAUSE, (now - begin) * (1 / LOOKING - 1)), LONGEST_PAUSE))

"""Calls are made again while their broker can't be reached, until the worker is told to stop."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from app.broker import UnreachableError
from worker.signals import Stopped

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
FIRST_DELAY_SECONDS = 0.2
MAX_DELAY_SECONDS = 5.0


def retry_while_disconnected(call: Callable[[], Result], stopping: threading.Event) -> Result:
    """What `call` returns, called again while its broker can't be reached. Raises Stopped once told to stop."""
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            return call()
        except UnreachableError as error:
            logger.warning("it can't be done now, trying again: %s", error)
        if stopping.wait(delay):
            raise Stopped
        delay = min(delay * 2, MAX_DELAY_SECONDS)

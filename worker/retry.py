"""Statements are tried again while the database can't be reached, until the worker is told to stop."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from app.db.engine import first_line, is_gone
from worker.signals import Stopped

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
FIRST_DELAY_SECONDS = 0.2
MAX_DELAY_SECONDS = 5.0


def retry_while_disconnected(call: Callable[[], Result], stopping: threading.Event) -> Result:
    """What `call` returns, called again while the database can't be reached. Raises Stopped once told to stop."""
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            return call()
        except DBAPIError as error:
            if not error.connection_invalidated and not is_gone(error):
                raise
            logger.warning("the database can't do it now, trying again: %s", first_line(error))
        if stopping.wait(delay):
            raise Stopped
        delay = min(delay * 2, MAX_DELAY_SECONDS)

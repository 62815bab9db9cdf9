"""What a worker is, for whoever works in it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid4

import torch
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.db.engine import first_line, is_gone
from worker.leases import HeldLeases

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
MAX_DELAY_SECONDS = 5.0


class Stopped(Exception):  # noqa: N818 (not an error)
    """The worker has to end now, also in the middle of an epoch."""


@dataclass(frozen=True)
class Context:
    """One worker: its database, device, leases, and whether it was told to stop."""

    settings: Settings
    engine: Engine
    device: torch.device
    worker_id: UUID = field(default_factory=uuid4)
    held_leases: HeldLeases = field(default_factory=HeldLeases)
    stopping: threading.Event = field(default_factory=threading.Event)

    def retry_while_disconnected(self, write: Callable[[], Result]) -> Result:
        """What `write` gives, tried again while the database can't do it. Raises Stopped once told to stop."""
        delay = 0.2
        while True:
            try:
                return write()
            except DBAPIError as error:
                if not error.connection_invalidated and not is_gone(error):
                    raise
                logger.warning("the database can't do it now, trying again: %s", first_line(error))
            if self.stopping.wait(delay):
                raise Stopped
            delay = min(delay * 2, MAX_DELAY_SECONDS)

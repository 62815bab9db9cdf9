"""A worker signs on, waits for those that start with it, and signs off."""

import logging
import os
import socket
import time

import torch

from app.broker import CallError, WorkerFacts
from worker.context import Context
from worker.device import devices, memory
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)

SIBLING_SECONDS = 10.0
SIBLING_POLL_SECONDS = 0.1


def sign_on(context: Context) -> None:
    """Registers the worker, as soon as its broker can be reached.

    Raises StartError where their versions do not match, and Stopped.
    """
    retry_while_disconnected(context.broker.check, context.stopping)
    facts = WorkerFacts(
        host=socket.gethostname(),
        pid=os.getpid(),
        device=devices.device_name(context.device),
        threads=torch.get_num_threads(),
        memory=memory.free_memory(context.device),
        products=context.products,
    )
    retry_while_disconnected(lambda: context.broker.sign_on(facts), context.stopping)


def await_siblings(context: Context, siblings: int) -> None:
    """Returns when as many workers live, or after a while. Raises Stopped.

    Workers that start together share the first sweep: the quickest must not claim it before the others exist.
    """
    deadline = time.monotonic() + SIBLING_SECONDS
    live_workers = context.broker.live_workers
    while time.monotonic() < deadline and retry_while_disconnected(live_workers, context.stopping) < siblings:
        if context.stopping.wait(SIBLING_POLL_SECONDS):
            return


def sign_off(context: Context) -> None:
    """Says that the worker has stopped; where that can't be said, its silence says it later."""
    try:
        context.broker.sign_off()
    except CallError as error:
        logger.warning("could not sign off: %s", error)

"""A worker's row in the database: it signs on, waits for those that start with it, and signs off."""

import logging
import os
import socket
import time

import torch
from sqlalchemy.exc import DBAPIError

from app import queue
from app.db.engine import first_line, transaction
from app.db.migrations import is_migrated
from app.db.tables import Worker
from app.domain.states import WorkerState
from app.errors import StartError
from worker.context import Context
from worker.device import devices, memory
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)

SIBLING_SECONDS = 10.0
SIBLING_POLL_SECONDS = 0.1


def sign_on(context: Context) -> None:
    """Registers the worker, as soon as the database can be reached.

    Raises StartError where the tables are of another version, and Stopped.
    """
    retry_while_disconnected(lambda: _check_tables(context), context.stopping)
    retry_while_disconnected(lambda: _register(context), context.stopping)


def _check_tables(context: Context) -> None:
    with transaction(context.engine) as session:
        if not is_migrated(session):
            raise StartError("The tables are not those of this version: run `perceptune db upgrade`.")


def _register(context: Context) -> None:
    row = Worker(
        id=context.worker_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        device=devices.device_name(context.device),
        threads=torch.get_num_threads(),
        memory=memory.free_memory(context.device),
    )
    with transaction(context.engine) as session:
        queue.register(session, row)


def await_siblings(context: Context, siblings: int) -> None:
    """Returns when as many workers live, or after a while. Raises Stopped.

    Workers that start together share the first sweep: the quickest must not claim it before the others exist.
    """
    deadline = time.monotonic() + SIBLING_SECONDS

    def live_workers() -> int:
        with transaction(context.engine) as session:
            return queue.live_workers(session)

    while time.monotonic() < deadline and retry_while_disconnected(live_workers, context.stopping) < siblings:
        if context.stopping.wait(SIBLING_POLL_SECONDS):
            return


def sign_off(context: Context) -> None:
    """Says that the worker has stopped; without a database its silence says it later."""
    try:
        with transaction(context.engine) as session:
            queue.set_worker_state(session, context.worker_id, WorkerState.stopped)
    except DBAPIError as error:
        logger.warning("could not sign off: %s", first_line(error))

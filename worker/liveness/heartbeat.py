"""The heartbeat of a worker: it extends the leases, however long an epoch takes."""

import logging
import threading

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import queue
from app.db.engine import first_line, transaction
from worker.context import Context
from worker.liveness.pulse import Pulse

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 15.0


def keep_alive(context: Context, loop: threading.Thread) -> None:
    """Says that the worker lives and extends its leases, three times a lease, until the worker is told to stop.

    Runs in a thread of its own. Leases that the database does not confirm are lost.
    """
    lease_seconds = context.settings.lease_seconds
    pause_seconds = min(lease_seconds / 3, MAX_PAUSE_SECONDS)
    pulse = Pulse(context.settings.pulse_file, loop, pause_seconds)
    pulse.beat()  # the worker has just registered
    while not context.stopping.wait(pause_seconds):
        leases, rate = context.held_leases.leases(), context.throughput.take_rate()
        try:
            with transaction(context.engine) as session:
                held_ids = queue.heartbeat(session, context.worker_id, leases, lease_seconds, rate)
        except DBAPIError as error:
            logger.warning("no heartbeat, the database is gone: %s", first_line(error))
            continue
        except PoolTimeoutError:
            logger.warning("no heartbeat: the worker's connections are busy")
            continue
        context.held_leases.keep_only(leases, held_ids)
        pulse.beat()

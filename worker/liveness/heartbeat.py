"""The heartbeat of a worker: it extends the leases, however long an epoch takes."""

import logging
import threading

from app.broker import CallError
from worker.context import Context
from worker.liveness.pulse import Pulse

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 15.0


def keep_alive(context: Context, loop: threading.Thread) -> None:
    """Says that the worker lives and extends its leases, three times a lease, until the worker is told to stop.

    Runs in a thread of its own. Leases that are not confirmed are lost.
    """
    lease_seconds = context.settings.lease_seconds
    pause_seconds = min(lease_seconds / 3, MAX_PAUSE_SECONDS)
    pulse = Pulse(context.settings.pulse_file, loop, pause_seconds)
    pulse.beat()  # the worker has just registered
    while not context.stopping.wait(pause_seconds):
        leases, rates = context.held_leases.leases(), context.throughput.take()
        try:
            held_ids = context.broker.heartbeat(leases, lease_seconds, *rates)
        except CallError as error:
            logger.warning("no heartbeat: %s", error)
            continue
        except Exception:  # whatever it was, the next one may be heard: without this thread all leases would end
            logger.exception("no heartbeat")
            continue
        context.held_leases.keep_only(leases, held_ids)
        pulse.beat()

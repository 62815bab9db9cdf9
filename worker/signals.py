"""When a worker has to end: SIGTERM, SIGINT, or the process that started it is gone."""

import logging
import os
import signal
import threading
from types import FrameType

logger = logging.getLogger(__name__)

GRACE_SECONDS = 7.0  # an epoch that takes longer after SIGTERM is given up, so that the worker ends within 10 s
PARENT_POLL_SECONDS = 1.0


class Stopped(Exception):  # noqa: N818 (not an error)
    """The worker has to end now, also in the middle of an epoch."""


def stop_on_signals(stopping: threading.Event) -> None:
    """SIGTERM and SIGINT set the event; Stopped is raised in the main thread where that is not enough in time."""

    def stop(number: int, _: FrameType | None) -> None:
        logger.info("%s: finishing the epoch", signal.Signals(number).name)
        stopping.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def give_up(_: int, __: FrameType | None) -> None:
        raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, give_up)


def end_main_thread() -> None:
    """Sends this process SIGTERM, from any of its threads.

    To the main thread alone: of what is sent to the process the system may tell a thread that has just been started,
    and then a main thread that sleeps does not wake.
    """
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGTERM)


def end_grace_period() -> None:
    """From here on Stopped is no longer raised: the end is near, and must not be cut short."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def stop_without_parent(parent: int, stopping: threading.Event) -> None:
    """Sends this process SIGTERM once the process `parent` is gone, also when that was killed; in a thread."""
    threading.Thread(target=_watch_parent, args=(parent, stopping), daemon=True).start()


def _watch_parent(parent: int, stopping: threading.Event) -> None:
    while not stopping.wait(PARENT_POLL_SECONDS):
        if os.getppid() != parent:
            logger.warning("the process that started this worker is gone")
            end_main_thread()
            return

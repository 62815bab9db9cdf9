"""Has the sampler asked for the next trials in a thread, while a cohort trains."""

import logging
import threading
from collections.abc import Callable

from app.broker import CallError
from app.domain.sweep_setup import SweepSetup
from worker.context import Context
from worker.retry import retry_while_disconnected

logger = logging.getLogger(__name__)


class AskAhead:
    """Asks once a cohort; what it asks for depends on the trials as they stood at `start` alone."""

    def __init__(self, context: Context, max_trials: int) -> None:
        self._context, self._max_trials = context, max_trials
        self._thread: threading.Thread | None = None

    def start(self, sweep: SweepSetup) -> None:
        """Begins to ask, where that is worth it. The cohort's own trials have their parameters by now."""
        if self._thread is not None:
            return
        broker, stopping = self._context.broker, self._context.stopping
        ask = retry_while_disconnected(lambda: broker.prepare_asking(sweep, self._max_trials), stopping)
        if ask is not None:
            self._thread = threading.Thread(target=_run, args=(ask,), name="asking ahead", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Waits until all is written, so that the next claim finds it; gives up when the worker is told to stop."""
        while self._thread is not None and self._thread.is_alive() and not self._context.stopping.is_set():
            self._thread.join(0.1)
        self._thread = None


def _run(ask: Callable[[], None]) -> None:
    try:
        ask()
    except CallError as error:
        logger.warning("nothing was asked ahead: %s", error)

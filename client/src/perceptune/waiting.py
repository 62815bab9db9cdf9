"""Waits for a sweep to end: events say when to look, and what is shown is read again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from perceptune._models import SweepOut
from perceptune.calls import get_sweep
from perceptune.flows import Flow, Listen, Pause, Wakeup, send

ENDED_STATES = ("completed", "cancelled", "failed")
LEAST_SECONDS = 0.5  # between two looks
MAX_SILENCE = 3600.0


def wait(sweep_id: int, report: Callable[[SweepOut], None], seconds: float | None) -> Flow[SweepOut]:
    """The sweep when it has ended; `report` is told how it stands meanwhile. Raises TimeoutError."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while True:
        sweep = yield from send(get_sweep(sweep_id))
        report(sweep)
        if sweep.state in ENDED_STATES:
            return sweep
        if time.monotonic() >= deadline:
            raise TimeoutError(f"Sweep {sweep_id} is {sweep.state} after {seconds:g} seconds; it goes on.")
        yield Pause(min(LEAST_SECONDS, _remaining(deadline)))
        yield from _until_news(sweep, deadline)


def _until_news(sweep: SweepOut, deadline: float) -> Flow[None]:
    """Returns when the sweep may have changed since, or the time is over."""
    while (seconds := _remaining(deadline)) > 0:
        wakeup = yield Listen(f"/sweeps/{sweep.id}/events", seconds)
        if not (isinstance(wakeup, Wakeup) and (wakeup.revision or math.inf) <= sweep.revision):
            return


def _remaining(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0.0), MAX_SILENCE)

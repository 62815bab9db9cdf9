"""A progress bar of plain text, in a terminal and in a notebook; elsewhere lines, where they are wanted."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO

from perceptune._models import SweepOut

WIDTH = 24  # of the bar
LINE_EVERY = 0.1  # of the progress, where lines are written


class Progress:
    """Shows how a sweep stands. `show`: None shows it where it can be refreshed; False never, True everywhere."""

    def __init__(self, show: bool | None, stream: TextIO | None = None) -> None:
        in_notebook = "ipykernel" in sys.modules and not sys.stderr.isatty()
        self._stream = stream or (sys.stdout if in_notebook else sys.stderr)
        self._refreshes = in_notebook or self._stream.isatty()
        self._shows = self._refreshes if show is None else show
        self._line = ""
        self._reported = (-1.0, "")  # progress and state of the last line

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._refreshes and self._line:
            print(file=self._stream, flush=True)

    def __call__(self, sweep: SweepOut) -> None:
        """Shows the sweep as it stands."""
        if not self._shows:
            return
        line = text_of(sweep)
        if self._refreshes:
            print(f"\r{line:{len(self._line)}}", end="", file=self._stream, flush=True)
            self._line = line
        elif sweep.progress >= self._reported[0] + LINE_EVERY or sweep.state != self._reported[1]:
            print(line, file=self._stream, flush=True)
            self._reported = (sweep.progress, sweep.state)


def text_of(sweep: SweepOut) -> str:
    """One line: the bar, trials, the best, and the time left."""
    filled = round(WIDTH * sweep.progress)
    counts = sweep.counts
    over = (counts.complete or 0) + (counts.pruned or 0) + (counts.failed or 0) + (counts.cancelled or 0)
    parts = [f"{over}/{sweep.n_trials + sweep.survivor_trials} trials", sweep.state]
    if sweep.best is not None:
        parts.append(f"best {sweep.best.value:.4g}")
    if sweep.eta_seconds is not None:
        parts.append(f"{duration(sweep.eta_seconds)} left")
    return f"{sweep.name} {'█' * filled}{'░' * (WIDTH - filled)} {sweep.progress:4.0%}  {', '.join(parts)}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"

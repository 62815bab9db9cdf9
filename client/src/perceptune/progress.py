"""Progress bars of plain text, in a terminal and in a notebook; elsewhere lines, where they are wanted."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO, TypeVar

from perceptune._models import SweepOut

WIDTH = 24  # of the bar
LINE_EVERY = 0.1  # of the progress, where lines are written
LARGE_FILE = 16 * 2**20  # bytes that are not sent at once

Self = TypeVar("Self", bound="Bar")  # typing's own needs Python 3.11


class Bar:
    """A line that is refreshed. `show`: None shows it where it can be refreshed; False never, True everywhere."""

    def __init__(self, show: bool | None, stream: TextIO | None = None) -> None:
        in_notebook = "ipykernel" in sys.modules and not sys.stderr.isatty()
        self._stream = stream or (sys.stdout if in_notebook else sys.stderr)
        self._refreshes = in_notebook or self._stream.isatty()
        self._shows = self._refreshes if show is None else show
        self._line = ""
        self._reported = (-1.0, "")  # progress and state of the last line

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._refreshes and self._line:
            print(file=self._stream, flush=True)

    def show(self, line: str, progress: float, state: str) -> None:
        """Shows the line; as a further one each tenth of the progress and in each state."""
        if self._shows and self._refreshes:
            print(f"\r{line:{len(self._line)}}", end="", file=self._stream, flush=True)
            self._line = line
        elif self._shows and (progress >= self._reported[0] + LINE_EVERY or state != self._reported[1]):
            print(line, file=self._stream, flush=True)
            self._reported = (progress, state)


class Progress(Bar):
    """Shows how a sweep stands."""

    def __call__(self, sweep: SweepOut) -> None:
        """Shows the sweep as it stands."""
        self.show(text_of(sweep), sweep.progress, sweep.state)


class Sending(Bar):
    """Shows how much of a large file is sent, and then that the server reads it."""

    def __init__(self, name: str, show: bool | None, stream: TextIO | None = None) -> None:
        super().__init__(show, stream)
        self._name = name
        self._percent = -1

    def __call__(self, sent: int, size: int) -> None:
        """So many bytes of so many are sent."""
        percent = 100 * sent // size
        if size < LARGE_FILE or percent == self._percent:
            return
        self._percent = percent
        state = "being read" if sent == size else "sent"
        words = state if sent == size else f"{percent} % of {size / 2**20:,.0f} MiB sent"
        self.show(f"{self._name} {bar(sent / size)} {words}", sent / size, state)


def bar(share: float) -> str:
    """A bar of which this share is filled."""
    filled = round(WIDTH * share)
    return "█" * filled + "░" * (WIDTH - filled)


def text_of(sweep: SweepOut) -> str:
    """One line: the bar, trials, the best, and the time left."""
    parts = [f"{ended_trials(sweep)} trials", sweep.state]
    if sweep.best is not None:
        parts.append(f"best {sweep.best.value:.4g}")
    if sweep.eta_seconds is not None:
        parts.append(f"{duration(sweep.eta_seconds)} left")
    return f"{sweep.name} {bar(sweep.progress)} {sweep.progress:4.0%}  {', '.join(parts)}"


def ended_trials(sweep: SweepOut) -> str:
    """How many of all trials have ended, however they did: `16/16`."""
    counts = sweep.counts
    ended = (counts.complete or 0) + (counts.pruned or 0) + (counts.failed or 0) + (counts.cancelled or 0)
    return f"{ended}/{sweep.n_trials + sweep.survivor_trials}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"

"""The chart of when each trial was trained, and by whom: what ran side by side, took long, or came to nothing."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.empty import empty_figure
from app.charts.labels import escape, params_text, varying
from app.charts.marks import excluded_note
from app.charts.rows import AttemptRow, SweepRow, TrialRow
from app.charts.select import thinned
from app.charts.theme import PALETTE, Trace, new_figure, scatter
from app.charts.titles import drawn_note, subtitle
from app.domain.formatting import duration, plural

TRIALS = 1_000  # drawn
LOST = "came to nothing"
COLORS = {
    "complete": PALETTE[0],
    "pruned": PALETTE[4],
    "failed": PALETTE[1],
    "cancelled": PALETTE[6],
    "running": PALETTE[2],
    LOST: PALETTE[3],
}
GAP = 1  # lanes between two workers
WORKERS = "worker"


@dataclass(frozen=True)
class TimelineOptions:
    """What lies below each other."""

    by: str = WORKERS
    """`worker` or `trial`."""


class Bar(NamedTuple):
    """One attempt at a trial, from its start to its end, in seconds since the sweep's start."""

    number: int  # of the trial
    state: str
    start: float
    end: float
    text: str
    lane: int  # from below


@dataclass(frozen=True)
class TimelineData:
    """What the chart shows."""

    title: str
    subtitle: str
    bars: Sequence[Bar]
    workers: Mapping[str, float]
    """The middle of each worker's lanes; nothing where trials have a lane each."""


def timeline_data(
    sweep: SweepRow, trials: Sequence[TrialRow], attempts: Sequence[AttemptRow], options: TimelineOptions
) -> TimelineData:
    """What the chart shows: all attempts at trials that have begun, those that came to nothing among them."""
    by_number = {trial.number: trial for trial in trials}
    begun = sorted({attempt.trial for attempt in attempts} & by_number.keys())
    drawn_numbers = {*thinned(begun, TRIALS)}
    drawn_attempts = [item for item in _without_doubles(attempts) if item.trial in drawn_numbers]
    lanes = _worker_lanes(drawn_attempts) if options.by == WORKERS else [item.trial for item in drawn_attempts]
    start = min((item.start for item in drawn_attempts), default=None)
    names = varying([by_number[number] for number in sorted(drawn_numbers)])
    n_lost = sum(item.state == LOST for item in drawn_attempts)
    return TimelineData(
        title="When trials were trained",
        subtitle=subtitle(
            sweep,
            f"{plural(n_lost, 'attempt')} came to nothing" if n_lost else "",
            _rungs_note(sweep, trials),
            excluded_note(sweep),
            drawn_note(len(drawn_numbers), len(begun), "trials"),
        ),
        bars=[
            _bar(start, item, lane, params_text(by_number[item.trial].params, names))
            for item, lane in zip(drawn_attempts, lanes, strict=True)
            if start is not None
        ],
        workers=_middles(drawn_attempts, lanes) if options.by == WORKERS else {},
    )


def timeline_figure(data: TimelineData) -> go.Figure:
    """A line for each attempt, one colour a state."""
    if not data.bars:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    for state, color in COLORS.items():
        bars = [bar for bar in data.bars if bar.state == state]
        if bars:
            figure.add_trace(_trace(state, color, bars, len({bar.lane for bar in data.bars})))
    figure.update_xaxes(title_text="seconds since the first trial's start", rangemode="tozero")
    if data.workers:
        figure.update_yaxes(
            title_text="worker",
            tickvals=[*data.workers.values()],
            ticktext=[*data.workers],
            range=(-1, max(bar.lane for bar in data.bars) + 1),
        )
    else:
        figure.update_yaxes(title_text="trial", **whole_ticks([bar.number for bar in data.bars]))
    return figure.update_layout(showlegend=True)


def _rungs_note(sweep: SweepRow, trials: Sequence[TrialRow]) -> str:
    """Of earlier legs no times are stored, nor when a trial came to the rung at which it ended."""
    if not sweep.waits_at_rungs:
        return ""
    n_ended = sum(trial.state == "pruned" for trial in trials)
    words = f"{plural(n_ended, 'trial')} that ended at a rung not drawn; " if n_ended else ""
    return f"{words}of a trial trained in legs, its last one"


def _without_doubles(attempts: Sequence[AttemptRow]) -> Iterator[AttemptRow]:
    """A trial that failed with its last attempt has that twice, as what it came to and as what came to nothing."""
    lost_starts = {(item.trial, item.start) for item in attempts if item.reason}
    for item in attempts:
        if item.reason:
            yield item._replace(state=LOST)
        elif (item.trial, item.start) not in lost_starts and item.state in COLORS:
            yield item


def _worker_lanes(attempts: Sequence[AttemptRow]) -> list[int]:
    """A lane for each attempt: of its worker's the one that has been free for the longest time, or a new one."""
    free: dict[str, list[tuple[datetime, int]]] = {}
    lanes: dict[str, list[int]] = {}
    place = [0] * len(attempts)
    for index in sorted(range(len(attempts)), key=lambda index: (attempts[index].start, attempts[index].trial)):
        item = attempts[index]
        worker_free, worker_lanes = free.setdefault(item.worker, []), lanes.setdefault(item.worker, [])
        if worker_free and worker_free[0][0] <= item.start:
            lane = heapq.heappop(worker_free)[1]
        else:
            lane = len(worker_lanes)
            worker_lanes.append(lane)
        heapq.heappush(worker_free, (item.end, lane))
        place[index] = lane
    begins, begin = {}, 0
    for worker, worker_lanes in lanes.items():
        begins[worker] = begin
        begin += len(worker_lanes) + GAP
    return [begins[item.worker] + lane for item, lane in zip(attempts, place, strict=True)]


def _middles(attempts: Sequence[AttemptRow], lanes: Sequence[int]) -> dict[str, float]:
    ends: dict[str, tuple[int, int]] = {}
    for item, lane in zip(attempts, lanes, strict=True):
        low, high = ends.get(item.worker, (lane, lane))
        ends[item.worker] = min(low, lane), max(high, lane)
    return {escape(worker): (low + high) / 2 for worker, (low, high) in ends.items()}


def _bar(start: datetime, attempt: AttemptRow, lane: int, params: str) -> Bar:
    took = duration((attempt.end - attempt.start).total_seconds())
    words = f"an attempt that came to nothing: {escape(attempt.reason)}" if attempt.reason else attempt.state
    text = f"trial {attempt.trial}, {words}, {took}<br>{escape(attempt.worker)}<br>{params}"
    begin, end = ((moment - start).total_seconds() for moment in (attempt.start, attempt.end))
    return Bar(attempt.trial, attempt.state, begin, end, text, lane)


def _trace(state: str, color: str, bars: Sequence[Bar], lanes: int) -> Trace:
    """All attempts of a state as one trace, with a gap behind each."""
    return scatter(
        x=[x for bar in bars for x in (round(bar.start, 3), round(bar.end, 3), None)],
        y=[y for bar in bars for y in (bar.lane, bar.lane, None)],
        name=state,
        mode="lines",
        connectgaps=False,
        line={"width": 5 if lanes <= 40 else 2, "color": color},
        text=[text for bar in bars for text in (bar.text, bar.text, "")],
        customdata=[number for bar in bars for number in (bar.number, bar.number, None)],
        hovertemplate="%{text}<extra></extra>",
    )

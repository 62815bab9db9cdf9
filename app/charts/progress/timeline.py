"""The chart of when each trial was trained: what ran side by side, and what took long."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.empty import empty_figure
from app.charts.labels import params_text, varying
from app.charts.marks import excluded_note
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import thinned
from app.charts.theme import PALETTE, Trace, new_figure, scatter
from app.charts.titles import drawn_note, subtitle
from app.domain.formatting import duration

TRIALS = 1_000  # drawn
COLORS = {"complete": PALETTE[0], "pruned": PALETTE[4], "failed": PALETTE[1], "cancelled": PALETTE[6]}


class Bar(NamedTuple):
    """One trial, from its start to its end, in seconds since the sweep's start."""

    number: int
    state: str
    start: float
    end: float
    text: str


class TimelineData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    bars: list[Bar]


def timeline_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> TimelineData:
    """What the chart shows: the last attempt of each trial that has ended."""
    timed = [
        (trial.started_at, trial.finished_at, trial)
        for trial in trials
        if trial.started_at is not None and trial.finished_at is not None and trial.state in COLORS
    ]
    start = min((begin for begin, _, _ in timed), default=None)
    drawn_trials = thinned(timed, TRIALS)
    names = varying([trial for _, _, trial in drawn_trials])
    return TimelineData(
        title="When trials were trained",
        subtitle=subtitle(
            sweep,
            "lines: trials of which the last attempt has ended",
            excluded_note(sweep),
            drawn_note(len(drawn_trials), len(timed), "trials"),
        ),
        bars=[_bar(start, begin, end, trial, names) for begin, end, trial in drawn_trials if start is not None],
    )


def timeline_figure(data: TimelineData) -> go.Figure:
    """A line for each trial, one colour a state."""
    if not data.bars:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    for state, color in COLORS.items():
        bars = [bar for bar in data.bars if bar.state == state]
        if bars:
            figure.add_trace(_trace(state, color, bars))
    figure.update_xaxes(title_text="seconds since the first trial's start", rangemode="tozero")
    figure.update_yaxes(title_text="trial", **whole_ticks([bar.number for bar in data.bars]))
    return figure.update_layout(showlegend=True)


def _bar(start: datetime, begin: datetime, end: datetime, trial: TrialRow, names: Sequence[str]) -> Bar:
    took = duration((end - begin).total_seconds())
    text = f"trial {trial.number}, {trial.state}, {took}<br>{params_text(trial.params, names)}"
    return Bar(trial.number, trial.state, (begin - start).total_seconds(), (end - start).total_seconds(), text)


def _trace(state: str, color: str, bars: Sequence[Bar]) -> Trace:
    """All trials of a state as one trace, with a gap behind each."""
    width = 5 if len(bars) <= 100 else 2
    return scatter(
        x=[x for bar in bars for x in (round(bar.start, 3), round(bar.end, 3), None)],
        y=[y for bar in bars for y in (bar.number, bar.number, None)],
        name=state,
        mode="lines",
        connectgaps=False,
        line={"width": width, "color": color},
        text=[text for bar in bars for text in (bar.text, bar.text, "")],
        customdata=[number for bar in bars for number in (bar.number, bar.number, None)],
        hovertemplate="%{text}<extra></extra>",
    )

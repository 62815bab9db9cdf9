"""The chart of values by trial number, with the best so far: whether the search still gets anywhere."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.labels import params_text, varying
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import count_failed, finished, thinned
from app.charts.theme import BEST, PALETTE, new_figure, scatter
from app.charts.titles import drawn_note, failed_note, history_title, metric_name, subtitle

MAX_TRIALS_DRAWN = 2_000


class HistoryData(NamedTuple):
    """What the chart shows. The lists have one entry for each complete trial that is drawn, by number."""

    title: str
    subtitle: str
    metric: str
    numbers: list[int]
    values: list[float]
    best: list[float]  # up to that trial
    texts: list[str]  # its parameters


def history_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> HistoryData:
    """What the chart shows. The best so far counts every complete trial, also those that are thinned out."""
    scored = finished(trials)
    running_best = accumulate((value for _, value in scored), max if sweep.objective.maximize else min)
    points = thinned(list(zip(scored, running_best, strict=True)), MAX_TRIALS_DRAWN)
    names = varying([trial for trial, _ in scored])
    return HistoryData(
        title=history_title(sweep.objective.metric),
        subtitle=subtitle(sweep, failed_note(count_failed(trials)), drawn_note(len(points), len(scored), "trials")),
        metric=metric_name(sweep.objective.metric),
        numbers=[complete.trial.number for complete, _ in points],
        values=[complete.value for complete, _ in points],
        best=[best for _, best in points],
        texts=[params_text(complete.trial.params, names) for complete, _ in points],
    )


def history_figure(data: HistoryData) -> go.Figure:
    """Points for the trials, a step line for the best so far."""
    if not data.numbers:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    figure.add_trace(
        scatter(
            x=data.numbers,
            y=data.values,
            name="trial",
            mode="markers",
            marker={"size": 7, "opacity": 0.6, "color": PALETTE[0]},
            text=data.texts,
            hovertemplate="trial %{x}: <b>%{y:.4f}</b><br>%{text}<extra></extra>",
        )
    )
    figure.add_trace(
        scatter(
            x=data.numbers,
            y=data.best,
            name="best so far",
            mode="lines",
            line={"shape": "hv", "width": 2, "color": BEST},
            hovertemplate="best up to trial %{x}: <b>%{y:.4f}</b><extra></extra>",
        )
    )
    figure.update_xaxes(title_text="trial", tickformat="d").update_yaxes(title_text=data.metric)
    return figure

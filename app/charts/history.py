"""Values by trial number, with the best so far: is the search still getting anywhere?"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import failed, finished, thinned
from app.charts.theme import BEST, PALETTE, figure, scatter
from app.charts.words import failed_note, metric_name, params_text, subtitle, varying

LIMIT = 2_000  # points


class HistoryData(NamedTuple):
    """`numbers`, `values`, `best` and `texts` have one entry a finished trial that is drawn, by number."""

    title: str
    subtitle: str
    metric: str
    numbers: list[int]
    values: list[float]
    best: list[float]
    texts: list[str]


def history_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> HistoryData:
    """What the chart shows. The best so far counts every finished trial, also those that are thinned out."""
    scored = finished(trials)
    running_best = accumulate((value for _, value in scored), max if sweep.maximize else min)
    shown = thinned(list(zip(scored, running_best, strict=True)), LIMIT)
    names = varying([trial for trial, _ in scored])
    note = f"{len(shown)} of {len(scored)} trials drawn" if len(shown) < len(scored) else ""
    return HistoryData(
        title=f"{metric_name(sweep.metric)} by trial",
        subtitle=subtitle(sweep, failed_note(failed(trials)), note),
        metric=metric_name(sweep.metric),
        numbers=[trial.number for (trial, _), _ in shown],
        values=[value for (_, value), _ in shown],
        best=[best for _, best in shown],
        texts=[params_text(trial.params, names) for (trial, _), _ in shown],
    )


def history_figure(data: HistoryData) -> go.Figure:
    """Points for the trials, a step line for the best so far."""
    if not data.numbers:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    made = figure(data.title, data.subtitle)
    made.add_trace(
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
    made.add_trace(
        scatter(
            x=data.numbers,
            y=data.best,
            name="best so far",
            mode="lines",
            line={"shape": "hv", "width": 2, "color": BEST},
            hovertemplate="best up to trial %{x}: <b>%{y:.4f}</b><extra></extra>",
        )
    )
    made.update_xaxes(title_text="trial", tickformat="d").update_yaxes(title_text=data.metric)
    return made

"""The chart of values by trial number, with the best so far: whether the search still gets anywhere."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.empty import empty_figure
from app.charts.labels import params_text, varying
from app.charts.marks import best_head, best_name, excluded_note, hollow_note, hollow_trace, star_trace
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import Scored, count_failed, excluded, finished, pruned, thinned
from app.charts.theme import BEST, PALETTE, Trace, new_figure, scatter
from app.charts.titles import drawn_note, failed_note, history_title, subtitle, value_hover, value_title

MAX_TRIALS_DRAWN = 2_000
SHARES = {"clipmin": -0.02, "clipmax": 1.02}  # with room for the marks at 0 and 1


class Hollow(NamedTuple):
    """A trial that is compared with nothing."""

    number: int
    value: float  # its last
    text: str


class HistoryData(NamedTuple):
    """What the chart shows. The lists have one entry for each complete trial that is drawn, by number."""

    title: str
    subtitle: str
    metric: str
    is_share: bool  # of 1
    hover: str  # plotly's text of a value
    numbers: list[int]
    values: list[float]
    best: list[float]  # of the single trials up to that one
    texts: list[str]  # its parameters
    pruned: list[Hollow]
    excluded: list[Hollow]
    star: Hollow | None  # the best configuration, by its first trial
    star_name: str


def history_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> HistoryData:
    """What the chart shows. The best so far counts every complete trial, also those that are thinned out."""
    scored, pruned_trials, excluded_trials = finished(trials), pruned(trials), excluded(trials)
    running_best = accumulate((value for _, value in scored), max if sweep.objective.maximize else min)
    points = thinned(list(zip(scored, running_best, strict=True)), MAX_TRIALS_DRAWN)
    names = varying([trial for trial, _ in (*scored, *pruned_trials, *excluded_trials)])
    return HistoryData(
        title=history_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            hollow_note(len(pruned_trials), len(excluded_trials)),
            failed_note(count_failed(trials)),
            excluded_note(sweep),
            drawn_note(len(points), len(scored), "trials"),
        ),
        metric=value_title(sweep.objective.metric, sweep.unit),
        is_share=sweep.objective.metric.endswith("accuracy"),
        hover=value_hover(sweep.objective.metric),
        numbers=[complete.trial.number for complete, _ in points],
        values=[complete.value for complete, _ in points],
        best=[best for _, best in points],
        texts=[params_text(complete.trial.params, names) for complete, _ in points],
        pruned=_hollow(pruned_trials, names),
        excluded=_hollow(excluded_trials, names),
        star=_star(sweep, names),
        star_name=best_name(sweep),
    )


def history_figure(data: HistoryData) -> go.Figure:
    """Points for the trials, hollow where they were pruned, a step line for the best so far, a star for the best."""
    if not (data.numbers or data.pruned or data.excluded):
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    for state, points in (("pruned", data.pruned), ("excluded", data.excluded)):
        if points:
            hollow_points = [(point.number, point.value, point.text, point.number) for point in points]
            figure.add_trace(hollow_trace(state, hollow_points, data.hover))
    figure.add_traces([_trials_trace(data), _best_trace(data)])
    if data.star is not None:
        figure.add_trace(star_trace(data.star_name, *data.star, data.star.number))
    numbers = [*data.numbers, *(point.number for point in (*data.pruned, *data.excluded))]
    figure.update_xaxes(title_text="trial", **whole_ticks(numbers)).update_yaxes(title_text=data.metric)
    if data.is_share:
        figure.update_yaxes(autorangeoptions=SHARES)
    return figure


def _hollow(scored: Sequence[Scored], names: Sequence[str]) -> list[Hollow]:
    return [
        Hollow(trial.number, value, f"trial {trial.number}<br>{params_text(trial.params, names)}")
        for trial, value in thinned(scored, MAX_TRIALS_DRAWN)
    ]


def _star(sweep: SweepRow, names: Sequence[str]) -> Hollow | None:
    if sweep.best is None:
        return None
    text = f"{best_head(sweep)}<br>{params_text(sweep.best.params, names)}"
    return Hollow(sweep.best.number, sweep.best.value, text)


def _trials_trace(data: HistoryData) -> Trace:
    return scatter(
        x=data.numbers,
        y=data.values,
        name="trial",
        mode="markers",
        marker={"size": 7, "opacity": 0.6, "color": PALETTE[0]},
        text=data.texts,
        customdata=data.numbers,
        hovertemplate=f"trial %{{x}}: <b>{data.hover}</b><br>%{{text}}<extra></extra>",
    )


def _best_trace(data: HistoryData) -> Trace:
    """Of single trials: the best configuration may have more runs, and then another mean."""
    return scatter(
        x=data.numbers,
        y=data.best,
        name="best single trial so far",
        mode="lines",
        line={"shape": "hv", "width": 2, "color": BEST},
        hovertemplate=f"best single trial up to %{{x}}: <b>{data.hover}</b><extra></extra>",
    )

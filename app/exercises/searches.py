"""Searches compared: the best value so far of each method over its repetitions, against seconds or epochs."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.rows import SweepRow
from app.charts.theme import PALETTE, Trace, faded, new_figure, scatter
from app.charts.titles import axis_title, metric_name, subtitle
from app.exercises.exercise import SweepData

POINTS = 120  # of a mean


class Search(NamedTuple):
    """What one repetition of a method has come to."""

    repetition: int
    best: float
    epochs: int  # trained, of all its runs
    seconds: float  # from its start to its last trial's end
    trials: int  # that have ended
    path: Sequence[tuple[float, float]]  # each new best: seconds since the start, and the value

    def best_at(self, seconds: float) -> float | None:
        """The best value by then, None before the first."""
        return max((value for at, value in self.path if at <= seconds), default=None)

    def seconds_to(self, value: float) -> float | None:
        """When it came to this value, None where it did not."""
        return min((at for at, best in self.path if best >= value), default=None)


def read_search(data: SweepData, repetition: int) -> Search | None:
    """The search that a sweep of accuracies is, as far as it goes; None while no trial is complete."""
    start = data.sweep.started_at
    ended = [trial for trial in data.trials if trial.finished_at is not None]
    values = sorted(
        ((trial.finished_at - start).total_seconds(), trial.value)
        for trial in ended
        if start is not None and trial.finished_at is not None and trial.state == "complete" and trial.value is not None
    )
    if not values or start is None:
        return None
    path: list[tuple[float, float]] = []
    for seconds, value in values:
        if not path or value > path[-1][1]:
            path.append((seconds, value))
    last = max(trial.finished_at for trial in ended if trial.finished_at is not None)
    epochs = sum(trial.epochs_trained for trial in data.trials)
    return Search(repetition, path[-1][1], epochs, (last - start).total_seconds(), len(ended), path)


def searches_figure(sweep: SweepRow, searches: Mapping[str, Sequence[Search]], spent: str) -> go.Figure:
    """A faint line for each search, a bold one for the mean of a method where all its repetitions have a value."""
    name = metric_name(sweep.objective.metric)
    title = f"Best {name.lower()} so far"
    notes = ["faint: each repetition; bold: their mean, from where all have a value", "y axis: only near the ends"]
    if spent == "epochs":
        notes.append("a search's epochs are spread evenly over its time")
    if not searches:
        return empty_figure(title=title, subtitle=subtitle(sweep, *notes))
    figure = new_figure(title, subtitle(sweep, *notes))
    for (method, results), color in zip(searches.items(), PALETTE, strict=False):
        for search in results:
            figure.add_trace(_search_trace(method, search, spent, color))
        figure.add_trace(_mean_trace(method, results, spent, color))
    x_title = "seconds since the search began" if spent == "seconds" else "epochs trained, of all trials"
    figure.update_xaxes(title_text=x_title, rangemode="tozero")
    return figure.update_yaxes(title_text=axis_title(sweep.objective.metric), range=_near_the_ends(searches))


def _near_the_ends(searches: Mapping[str, Sequence[Search]]) -> tuple[float, float]:
    """From well below the worst end to a little above the best: the first values would flatten all others."""
    ends = [search.best for results in searches.values() for search in results]
    room = max(max(ends) - min(ends), 0.01)
    return min(ends) - room, max(ends) + 0.2 * room


def _scale(search: Search, spent: str) -> float:
    """What a second of the search is worth on the x axis."""
    return 1.0 if spent == "seconds" else search.epochs / max(search.seconds, 1e-9)


def _search_trace(method: str, search: Search, spent: str, color: str) -> Trace:
    points = [*search.path, (search.seconds, search.best)]
    return scatter(
        x=[seconds * _scale(search, spent) for seconds, _ in points],
        y=[value for _, value in points],
        mode="lines",
        line={"shape": "hv", "width": 1, "color": faded(color, 0.45)},
        legendgroup=method,
        showlegend=False,
        hovertemplate=f"{method}, repetition {search.repetition}: <b>%{{y:.4f}}</b><extra></extra>",
    )


def _mean_trace(method: str, results: Sequence[Search], spent: str, color: str) -> Trace:
    scales = [_scale(search, spent) for search in results]
    first = max(search.path[0][0] * scale for search, scale in zip(results, scales, strict=True))
    last = min(search.seconds * scale for search, scale in zip(results, scales, strict=True))
    grid = [first + (max(last, first) - first) * step / POINTS for step in range(POINTS + 1)]
    means = [
        fmean(search.best_at(place / scale + 1e-9) or 0.0 for search, scale in zip(results, scales, strict=True))
        for place in grid
    ]
    return scatter(
        x=grid,
        y=means,
        name=method,
        legendgroup=method,
        mode="lines",
        line={"shape": "hv", "width": 2.5, "color": color},
        hovertemplate=f"{method}, mean of {len(results)}: <b>%{{y:.4f}}</b><extra></extra>",
    )

"""The table of methods, and the figures of their best values and of what matters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import plotly.graph_objects as go

from app.charts.axis import axis_plan, draw_x_axis
from app.charts.empty import empty_figure
from app.charts.importance import importance_figure
from app.charts.rows import Axis, SweepRow
from app.charts.select import Scored, finished
from app.charts.theme import PALETTE, SYMBOLS, Trace, faded, new_figure, scatter
from app.charts.titles import axis_title, metric_name, subtitle
from app.domain.formatting import plural, settings
from app.exercises.answers.levels import Level
from app.exercises.exercise import Measurements
from app.exercises.joint_search.methods import METHODS, importance_of_random, reading_name, searches_by_method
from app.exercises.joint_search.searches import Search

POINTS = 120  # of a mean


def paths_figure(measurements: Measurements, spent: str) -> go.Figure:
    """The best value so far of each method, over its repetitions, against what was spent."""
    sweep = next(iter(measurements.values())).sweep
    return searches_figure(sweep, searches_by_method(measurements), spent)


def rates_figure(measurements: Measurements) -> go.Figure:
    """Every complete trial by its learning rate, with a colour for each method."""
    sweep = next(iter(measurements.values())).sweep
    trials = {method: _trials_of(measurements, method) for method in METHODS}
    pruned_count = sum(trial.state == "pruned" for data in measurements.values() for trial in data.trials)
    left_out = f"{plural(pruned_count, 'pruned trial')} left out" if pruned_count else ""
    title, text = "All trials by learning rate", subtitle(sweep, "units and layers differ too", left_out)
    if not any(trials.values()):
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    for (method, scored), color, symbol in zip(trials.items(), PALETTE, SYMBOLS, strict=False):
        figure.add_trace(_rates_trace(method, scored, {"size": 6, "color": faded(color, 0.7), "symbol": symbol}))
    rates = [item.trial.params["learning_rate"] for scored in trials.values() for item in scored]
    draw_x_axis(figure, axis_plan(Axis("learning rate", log=True), rates))
    return figure.update_yaxes(title_text=axis_title(sweep.objective.metric, sweep))


def _trials_of(measurements: Measurements, method: str) -> list[Scored]:
    return [
        item
        for name, data in measurements.items()
        if name.rpartition(" ")[0] == method
        for item in finished(data.trials)
        if "learning_rate" in item.trial.params
    ]


def _rates_trace(method: str, scored: Sequence[Scored], marker: dict[str, object]) -> Trace:
    return scatter(
        x=[item.trial.params["learning_rate"] for item in scored],
        y=[item.value for item in scored],
        name=method,
        mode="markers",
        marker=marker,
        text=[settings(item.trial.params) for item in scored],
        hovertemplate=f"{method}: <b>%{{y:.4f}}</b><br>%{{text}}<extra></extra>",
    )


def shares_figure(measurements: Measurements) -> go.Figure:
    """What each hyperparameter explains alone, of all random trials together, with names as readers write them."""
    importance = importance_of_random(measurements)
    return importance_figure(
        replace(importance, single=[share._replace(name=reading_name(share.name)) for share in importance.single])
    )


def table_row(level: Level[str], results: Sequence[Search]) -> tuple[str, ...]:
    count = len(results)
    return (
        level.setting,
        f"{level.mean:.4f}",
        "" if level.std is None else f"{level.std:.4f}",
        str(count),
        f"{sum(search.trials for search in results) / count:.0f}",
        f"{sum(search.epochs for search in results) / count:.0f}",
        f"{sum(search.seconds for search in results) / count:.1f}",
    )


def searches_figure(sweep: SweepRow, searches: Mapping[str, Sequence[Search]], spent: str) -> go.Figure:
    """A faint line for each search, a bold one for the mean of a method where all its repetitions have a value."""
    name = metric_name(sweep.objective.metric)
    title = f"Best {name.lower()} so far, by {spent}"
    repetitions = max(map(len, searches.values()), default=0)
    notes = [
        f"faint: each of {plural(repetitions, 'repetition')}; bold: their mean",
        "cut off below; an ended search keeps its best",
    ]
    if spent == "epochs":
        notes.append("epochs: spread evenly over a search's time")
    if not searches:
        return empty_figure(title=title, subtitle=subtitle(sweep, *notes))
    figure = new_figure(title, subtitle(sweep, *notes))
    for (method, results), color in zip(searches.items(), PALETTE, strict=False):
        for search in results:
            figure.add_trace(_search_trace(method, search, spent, color))
        figure.add_trace(_mean_trace(method, results, spent, color))
    x_title = "seconds since the search began" if spent == "seconds" else "epochs trained, of all trials"
    figure.update_xaxes(title_text=x_title, rangemode="tozero")
    return figure.update_yaxes(title_text=axis_title(sweep.objective.metric, sweep), range=_near_the_ends(searches))


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
    last = max(search.seconds * scale for search, scale in zip(results, scales, strict=True))
    grid = [first + (last - first) * step / POINTS for step in range(POINTS + 1)]
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

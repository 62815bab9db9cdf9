"""The chart of a metric against another one, or against a hyperparameter: a point for each trial"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, Place, axis_plan, draw_x_axis, draw_y_axis, places
from app.charts.empty import empty_figure
from app.charts.labels import label, params_text, varying
from app.charts.marks import best_head, best_name, excluded_note, hollow_note, hollow_trace, star_trace
from app.charts.progress.groups import grouping
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import Scored, count_failed, finished, pruned, quota, thinned
from app.charts.theme import Trace, colors, new_figure, scatter, symbol_at
from app.charts.titles import OWN_BEST, against_title, axis_title, drawn_note, failed_note, metric_name, subtitle
from app.domain.formatting import duration, in_units, is_in_own_units, plural, score

POINTS = 2_000  # trials drawn
TOTALS = ("seconds", "parameters")  # of a run and of its network, beside the metrics of its epochs


@dataclass(frozen=True)
class ScatterOptions:
    """What is on the axes, and what colours the points."""

    x: str
    """A metric, or a hyperparameter."""
    y: str
    """A metric."""
    color: str | None = None
    """A hyperparameter."""

    def metrics(self, sweep: SweepRow) -> tuple[str, ...]:
        """Those that trials have to have: that of the y axis, and that of the x axis where it has one."""
        return (self.y,) if self.x in sweep.axes else (self.y, self.x)


class Spot(NamedTuple):
    """One trial."""

    x: Place
    y: float
    text: str
    trial: int  # its number


class Cloud(NamedTuple):
    """Trials of one colour."""

    name: str
    spots: Sequence[Spot]


@dataclass(frozen=True)
class ScatterData:
    """What the chart shows."""

    title: str
    subtitle: str
    x: AxisPlan
    y: AxisPlan
    clouds: Sequence[Cloud]
    hollow: Sequence[Spot]  # pruned ones, after the epoch at which they were
    star: Spot | None  # the first trial of the best configuration
    star_name: str
    color: str | None
    is_ordered: bool  # whether the clouds are numbers, or ranges of one


def scatter_data(sweep: SweepRow, trials: Sequence[TrialRow], options: ScatterOptions) -> ScatterData:
    """What the chart shows, of trials that have what is on its axes."""
    complete_trials, pruned_trials = (
        [trial for trial, _ in scored if _lies_on(sweep, trial, options)]
        for scored in (finished(trials), pruned(trials))
    )
    all_trials = [*complete_trials, *pruned_trials]
    share = [thinned(group, quota(len(group), len(all_trials), POINTS)) for group in (complete_trials, pruned_trials)]
    names = varying(all_trials)
    x, y = (
        _x_plan(sweep, all_trials, options),
        _metric_plan(sweep, options.y, [trial.values[0] for trial in all_trials]),
    )
    groups = grouping(complete_trials, options.color) if options.color and complete_trials else None
    clouds: dict[str, list[Spot]] = {name: [] for name in (groups.names if groups else ("trial",))}
    for trial in share[0]:
        clouds[groups.name_of(trial) if groups else "trial"].append(_spot(sweep, trial, x, options, names))
    best = next((trial for trial in complete_trials if sweep.best and trial.number == sweep.best.number), None)
    return ScatterData(
        title=against_title(options.x, options.y, is_metric=options.x not in sweep.axes),
        subtitle=_subtitle(sweep, trials, all_trials, share, options),
        x=x,
        y=y,
        clouds=[Cloud(name, spots) for name, spots in clouds.items() if spots],
        hollow=[_spot(sweep, trial, x, options, names) for trial in share[1]],
        star=_star(sweep, _spot(sweep, best, x, options, names)) if best else None,
        star_name=best_name(sweep),
        color=options.color,
        is_ordered=bool(groups and groups.is_ordered),
    )


def scatter_figure(data: ScatterData) -> go.Figure:
    """A point for each trial, hollow where it was pruned, and a star for the best configuration."""
    if not (data.clouds or data.hollow):
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    if data.hollow:
        figure.add_trace(hollow_trace("pruned", data.hollow))
    hues = colors(len(data.clouds), ordered=data.is_ordered)
    for place, (cloud, hue) in enumerate(zip(data.clouds, hues, strict=True)):
        figure.add_trace(_trace(cloud, {"color": hue, "symbol": symbol_at(place)}))
    if data.star is not None:
        figure.add_trace(star_trace(data.star_name, *data.star))
    draw_x_axis(figure, data.x)
    draw_y_axis(figure, data.y)
    return figure.update_layout(legend_title_text=data.color or "")


def _lies_on(sweep: SweepRow, trial: TrialRow, options: ScatterOptions) -> bool:
    return bool(trial.values) and (options.x not in sweep.axes or options.x in trial.params)


def _x_plan(sweep: SweepRow, trials: Sequence[TrialRow], options: ScatterOptions) -> AxisPlan:
    if options.x in sweep.axes:
        return axis_plan(sweep.axes[options.x], [trial.params[options.x] for trial in trials])
    return _metric_plan(sweep, options.x, [trial.values[1] for trial in trials])


def _metric_plan(sweep: SweepRow, metric: str, values: Sequence[float]) -> AxisPlan:
    """Sizes, times and losses that lie two decades apart are compared by their ratio; shares lie evenly."""
    plan = axis_plan(Axis(axis_title(metric, sweep)), values)
    return plan._replace(scale="linear", ticks=None) if metric.endswith(("accuracy", "r2")) else plan


def _spot(sweep: SweepRow, trial: TrialRow, x: AxisPlan, options: ScatterOptions, names: Sequence[str]) -> Spot:
    on_x = options.x in sweep.axes
    place = places(x, [trial.params[options.x]])[0] if on_x else trial.values[1]
    x_text = (
        f"{options.x} {label(trial.params[options.x])}"
        if on_x
        else f"{metric_name(options.x)}: {_text(sweep, options.x, trial.values[1], trial.stds[1])}"
    )
    y_text = f"{metric_name(options.y)}: <b>{_text(sweep, options.y, trial.values[0], trial.stds[0])}</b>"
    text = f"trial {trial.number}<br>{y_text}<br>{x_text}<br>{params_text(trial.params, names)}"
    return Spot(place, trial.values[0], text, trial.number)


def _text(sweep: SweepRow, metric: str, value: float, std: float | None) -> str:
    if metric == "parameters":
        return f"{value:,.0f}"
    if metric == "seconds":
        return duration(value)
    return in_units(value, sweep.unit) if is_in_own_units(metric) else score(value, std, metric)


def _star(sweep: SweepRow, spot: Spot) -> Spot:
    """The best configuration as headers name it, at the place of its first trial."""
    return spot._replace(text=f"{best_head(sweep)}<br>{spot.text}")


def _subtitle(
    sweep: SweepRow,
    trials: Sequence[TrialRow],
    shown_trials: Sequence[TrialRow],
    drawn_trials: Sequence[Sequence[TrialRow]],
    options: ScatterOptions,
) -> str:
    ended: list[Scored] = [*finished(trials), *pruned(trials)]
    without = len(ended) - len(shown_trials)
    metrics = [name for name in options.metrics(sweep) if name not in TOTALS]
    lacking = " or ".join(name for name in (options.x, options.y) if name != sweep.objective.metric)
    return subtitle(
        sweep,
        _point_note(sweep),
        OWN_BEST if sweep.run_value == "best" and len({*metrics}) > 1 else "",
        hollow_note(len([trial for trial in shown_trials if trial.state == "pruned"]), 0),
        f"{plural(without, 'trial')} without {lacking} left out" if without else "",
        failed_note(count_failed(trials)),
        excluded_note(sweep),
        drawn_note(sum(map(len, drawn_trials)), len(shown_trials), "trials"),
    )


def _point_note(sweep: SweepRow) -> str:
    """What a point is; which epoch of a run that is, a lens has said where it chooses."""
    if sweep.seeds > 1:
        return "each point a trial: the mean over its runs"
    return "each point a trial, after its last epoch" if sweep.run_value == "last" else "each point a trial"


def _trace(cloud: Cloud, look: Trace) -> Trace:
    return scatter(
        x=[spot.x for spot in cloud.spots],
        y=[spot.y for spot in cloud.spots],
        name=cloud.name,
        mode="markers",
        marker={"size": 7, "opacity": 0.7} | look,
        text=[spot.text for spot in cloud.spots],
        customdata=[spot.trial for spot in cloud.spots],
        hovertemplate="%{text}<extra></extra>",
    )

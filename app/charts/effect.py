"""The chart of a metric against one hyperparameter: which value is best, and by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from app.charts.axis import (
    AxisPlan,
    Place,
    axis_plan,
    color_bar,
    color_value,
    draw_x_axis,
    place_name,
    places,
)
from app.charts.empty import empty_figure
from app.charts.labels import label, params_text, varying
from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.charts.select import Scored, best_of, count_failed, finished, ranked, thinned
from app.charts.theme import BEST, PALETTE, SCALE, SYMBOLS, Trace, colors, new_figure, scatter
from app.charts.titles import drawn_note, effect_title, failed_note, metric_name, subtitle
from app.domain.hyperparameters import is_number

POINTS = 2_000  # runs drawn
LEVELS = 24  # with more distinct numbers on the axis, neighbours are noise and get no line
NO_SEED = -1  # of what stands for all runs of a trial
GROUPS = 8  # with more distinct colour numbers, a colour scale stands in for a legend


@dataclass(frozen=True)
class EffectOptions:
    """What is drawn."""

    x: str  # the hyperparameter on the x axis
    color: str | None = None  # the one that colours, if any
    close: bool = False  # whether the y axis is cut to the better half


class Point(NamedTuple):
    """One run."""

    x: Place
    y: float
    hue: object  # the colouring parameter's value
    text: str


class _PlacedTrial(NamedTuple):
    """A trial's runs as they are averaged. The few that are drawn become points, with texts."""

    x: Place
    trial: TrialRow
    runs: Sequence[RunRow]


class Level(NamedTuple):
    """All runs at one value of x."""

    x: Place
    mean: float
    std: float | None  # sample standard deviation, None for a single run
    n: int  # runs


class Group(NamedTuple):
    """The runs of one colour."""

    name: str  # empty when no legend tells groups apart
    points: list[Point]
    levels: list[Level]


class EffectData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    metric: str
    color: str | None  # the hyperparameter that colours
    axis: AxisPlan
    hues: AxisPlan | None  # where the colour is a scale over the points, not a legend of groups
    groups: list[Group]
    best: Point | None  # the best trial
    y_range: tuple[float, float] | None


def effect_data(sweep: SweepRow, trials: Sequence[TrialRow], options: EffectOptions) -> EffectData:
    """What the chart shows. Trials without a value (unfinished, a run diverged) and trials without `x` are left out."""
    scored = [item for item in finished(trials) if options.x in item.trial.params]
    x_values = [trial.params[options.x] for trial, _ in scored]
    plan = axis_plan(sweep.axes.get(options.x, Axis(options.x)), x_values)
    hues = _hue_plan(sweep, options.color, [trial for trial, _ in scored])
    names = varying([trial for trial, _ in scored]) or [options.x]
    members = _by_hue(sweep, None if hues else options.color, _placed(scored, places(plan, x_values)))
    groups = _groups(members, plan, options.color, names)
    drawn_count = sum(len(group.points) for group in groups)
    runs = sum(len(trial.runs) for group in members.values() for trial in group)
    return EffectData(
        title=effect_title(sweep.objective.metric, options.x),
        subtitle=subtitle(
            sweep,
            failed_note(count_failed(trials)),
            drawn_note(drawn_count, runs, "runs"),
            "close-up: the y axis shows the better half" if options.close else "",
        ),
        metric=metric_name(sweep.objective.metric),
        color=options.color,
        axis=plan,
        hues=hues,
        groups=groups,
        best=_best(sweep, scored, options, plan, names),
        y_range=_better_half(sweep, scored) if options.close and scored else None,
    )


def effect_figure(data: EffectData) -> go.Figure:
    """Faint points for runs, a line with error bars for their mean and spread, a star for the best trial."""
    if data.best is None:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    hues = [point.hue for group in data.groups for point in group.points]
    shades = colors(len(data.groups), ordered=len(data.groups) > 2 and all(map(is_number, hues)))
    for i, (group, shade) in enumerate(zip(data.groups, shades, strict=True)):
        marker: dict[str, object] = {"color": shade, "symbol": SYMBOLS[i % len(SYMBOLS)]}
        figure.add_trace(_runs_trace(data, group, marker))
        if group.levels:
            figure.add_trace(_means_trace(data, group, marker))
    figure.add_trace(_best_trace(data.best, data.color is not None and data.hues is None))
    figure.update_yaxes(title_text=data.metric, range=data.y_range)
    draw_x_axis(figure, data.axis)
    if data.color is not None and data.hues is None:
        figure.update_layout(legend_title_text=data.color)
        if data.axis.scale == "category":
            figure.update_layout(scattermode="group")  # side by side, or the error bars would hide each other
    return figure


def _hue_plan(sweep: SweepRow, color: str | None, trials: Sequence[TrialRow]) -> AxisPlan | None:
    """A scale of colours for a parameter with many different numbers."""
    hues = [trial.params.get(color) for trial in trials] if color is not None else []
    if color is None or not all(map(is_number, hues)) or len(set(map(label, hues))) <= GROUPS:
        return None
    return axis_plan(Axis(color, sweep.axes.get(color, Axis(color)).log), hues)


def _placed(scored: Sequence[Scored], x_places: Sequence[Place]) -> list[_PlacedTrial]:
    """All runs of a finished trial have values. Where they are not known, the trial's own value counts as one."""
    return [
        _PlacedTrial(x, trial, trial.runs or (RunRow(NO_SEED, value),))
        for x, (trial, value) in zip(x_places, scored, strict=True)
    ]


def _by_hue(sweep: SweepRow, color: str | None, trials: Sequence[_PlacedTrial]) -> dict[str, list[_PlacedTrial]]:
    """By the colours' names in their order: numbers by size, names as in the space.

    Without a colour parameter, one unnamed group.
    """
    if color is None:
        return {"": list(trials)}
    hues = [placed.trial.params.get(color) for placed in trials]
    names = list(map(label, hues))
    members: dict[str, list[_PlacedTrial]] = {
        name: [] for name in _ordered_hues(sweep, color, dict(zip(names, hues, strict=True)))
    }
    for name, placed in zip(names, trials, strict=True):
        members[name].append(placed)
    return members


def _ordered_hues(sweep: SweepRow, color: str, hues: Mapping[str, object]) -> list[str]:
    """The names of the hues: numbers by size, others as in the space."""
    if all(map(is_number, hues.values())):
        return sorted(hues, key=lambda name: float(str(hues[name])))
    choices = map(label, sweep.axes.get(color, Axis(color)).choices or ())
    return [name for name in dict.fromkeys([*choices, *hues]) if name in hues]


def _groups(
    members: Mapping[str, Sequence[_PlacedTrial]], plan: AxisPlan, color: str | None, names: Sequence[str]
) -> list[Group]:
    """The runs by colour. What is drawn is thinned to POINTS in all, what is averaged is not."""
    runs = {hue: [(trial, run) for trial in group for run in trial.runs] for hue, group in members.items()}
    share = min(1.0, POINTS / max(sum(map(len, runs.values())), 1))
    return [
        Group(
            hue,
            [_point(*run, color, names) for run in thinned(runs[hue], max(2, int(share * len(runs[hue]))))],
            _levels(group, plan),
        )
        for hue, group in members.items()
    ]


def _point(placed: _PlacedTrial, run: RunRow, color: str | None, names: Sequence[str]) -> Point:
    seed = "" if run.seed == NO_SEED else f", seed {run.seed}"
    text = f"trial {placed.trial.number}{seed}<br>{params_text(placed.trial.params, names)}"
    return Point(placed.x, float(run.value or 0.0), placed.trial.params.get(color) if color else None, text)


def _levels(trials: Sequence[_PlacedTrial], plan: AxisPlan) -> list[Level]:
    if len({trial.x for trial in trials}) > LEVELS:
        return []
    values: dict[Place, list[float]] = {}
    for trial in trials:
        values.setdefault(trial.x, []).extend([run.value for run in trial.runs if run.value is not None])
    return [_level(x, np.array(values[x])) for x in plan.places if x in values]


def _level(x: Place, values: np.ndarray) -> Level:
    return Level(x, float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None, len(values))


def _best(
    sweep: SweepRow, scored: Sequence[Scored], options: EffectOptions, plan: AxisPlan, names: Sequence[str]
) -> Point | None:
    if not scored:
        return None
    trial, value = best_of(sweep, scored)
    spread = "" if trial.std is None else f" ± {trial.std:.4f}"
    text = f"best: trial {trial.number}, <b>{value:.4f}{spread}</b><br>{params_text(trial.params, names)}"
    hue = trial.params.get(options.color) if options.color else None
    return Point(places(plan, [trial.params[options.x]])[0], value, hue, text)


def _better_half(sweep: SweepRow, scored: Sequence[Scored]) -> tuple[float, float]:
    """From a little under the median trial to a little beyond the best, with room for the spread over seeds."""
    by_rank = ranked(sweep, scored)
    best, middle = by_rank[0].value, by_rank[len(by_rank) // 2].value
    room = max(0.15 * abs(best - middle), 2 * (by_rank[0].trial.std or 0.0), 1e-3)
    return min(best, middle) - room, max(best, middle) + room


def _runs_trace(data: EffectData, group: Group, marker: dict[str, object]) -> Trace:
    look = marker | {"size": 6, "opacity": 0.55}
    if data.hues is not None:
        hues = [color_value(data.hues, point.hue) for point in group.points]
        scale = [list(stop) for stop in SCALE]
        look |= {"color": hues, "colorscale": scale, "colorbar": color_bar(data.hues), "opacity": 0.8}
    return scatter(
        x=[point.x for point in group.points],
        y=[point.y for point in group.points],
        name=group.name or "one run",
        legendgroup=group.name,
        showlegend=not group.name or not group.levels,
        offsetgroup=group.name,
        mode="markers",
        marker=look,
        text=[point.text for point in group.points],
        hovertemplate="<b>%{y:.4f}</b><br>%{text}<extra></extra>",
    )


def _means_trace(data: EffectData, group: Group, marker: dict[str, object]) -> Trace:
    """Means over runs with error bars, grey where the points wear a colour scale."""
    spreads = ["" if level.std is None else f" ± {level.std:.4f}" for level in group.levels]
    color = PALETTE[-1] if data.hues else marker["color"]
    return scatter(
        x=[level.x for level in group.levels],
        y=[level.mean for level in group.levels],
        error_y={"array": [level.std or 0.0 for level in group.levels], "thickness": 1.5, "width": 4},
        name=group.name or "mean ± std",
        legendgroup=group.name,
        offsetgroup=group.name,
        mode="markers" if data.axis.scale == "category" else "lines+markers",
        line={"color": color, "width": 2},
        marker=marker | {"size": 8, "color": color},
        text=[f"{spread}, n = {level.n}" for level, spread in zip(group.levels, spreads, strict=True)],
        hovertemplate=f"{data.axis.name} %{{x}}: mean <b>%{{y:.4f}}</b>%{{text}}<extra>{group.name}</extra>",
    )


def _best_trace(best: Point, grouped: bool) -> Trace:
    return scatter(
        x=[best.x],
        y=[best.y],
        name=f"best trial: {place_name(best.x)}",
        mode="markers",
        offsetgroup=label(best.hue) if grouped else None,
        marker={"size": 17, "symbol": "star-open", "color": BEST, "line": {"width": 2}},
        text=[best.text],
        hovertemplate="%{text}<extra></extra>",
    )

"""The chart of all learning curves at once: a thin line for each trial, in groups that can be hidden and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.empty import empty_figure
from app.charts.labels import escape
from app.charts.marks import excluded_note
from app.charts.progress.curves import limit_axis
from app.charts.progress.groups import STATE, grouping
from app.charts.rows import EpochMean, SweepRow, TrialRow
from app.charts.select import finished, pruned, ranked, thinned
from app.charts.theme import Trace, colors, dash_at, new_figure, scatter
from app.charts.titles import all_curves_title, drawn_note, subtitle, value_hover, value_title

TRIALS = 300  # whose curves are drawn


@dataclass(frozen=True)
class AllCurvesOptions:
    """What is drawn."""

    group: str = STATE
    """What tells the groups apart: the trials' states, or a hyperparameter."""


Curves = Mapping[int, Sequence[tuple[int, float]]]  # epochs with means over the runs, by the trial's number


class Group(NamedTuple):
    """Trials that are hidden and shown together."""

    name: str
    curves: Curves


class AllCurvesData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    metric: str
    axis: str  # what its axis says
    hover: str  # how its values are written
    by: str
    is_ordered: bool  # whether the groups are those of a number
    groups: list[Group]


def trials_of_all_curves(sweep: SweepRow, trials: Sequence[TrialRow], _: AllCurvesOptions) -> list[TrialRow]:
    """The trials that have curves: all, or some evenly spread from the best to the worst and those that go on."""
    candidates = [trial for trial in trials if trial.epochs > 0 and not trial.excluded]
    by_rank = [item.trial for item in ranked(sweep, [*finished(candidates), *pruned(candidates)])]
    placed_numbers = {trial.number for trial in by_rank}
    return thinned([*by_rank, *(trial for trial in candidates if trial.number not in placed_numbers)], TRIALS)


def all_curves_data(
    sweep: SweepRow, trials: Sequence[TrialRow], means: Sequence[EpochMean], options: AllCurvesOptions
) -> AllCurvesData:
    """The objective after each epoch, of each trial in its group."""
    curves = {
        trial_number: [(row.epoch, round(row.mean, 5)) for row in rows if row.mean is not None]
        for trial_number, rows in groupby(means, key=lambda row: row.trial)
    }
    drawn_trials = [trial for trial in trials if curves.get(trial.number)]
    groups = grouping(drawn_trials, options.group)
    with_curves = sum(trial.epochs > 0 and not trial.excluded for trial in trials)
    longest = max((row.epoch for row in means), default=0)
    metric = sweep.objective.metric
    return AllCurvesData(
        title=all_curves_title(metric),
        subtitle=subtitle(
            sweep,
            "means over the runs of a trial<br>a click on a group hides it, two show it alone",
            drawn_note(len(drawn_trials), with_curves, "trials"),
            drawn_note(len({row.drawn_epoch for row in means}), longest, "epochs"),
            excluded_note(sweep),
        ),
        metric=metric,
        axis=value_title(metric, sweep.unit),
        hover=value_hover(metric),
        by=options.group,
        is_ordered=groups.is_ordered,
        groups=[
            Group(name, {trial.number: curves[trial.number] for trial in drawn_trials if groups.name_of(trial) == name})
            for name in groups.names
        ],
    )


def all_curves_figure(data: AllCurvesData) -> go.Figure:
    """A trace for each group, with a gap behind each of its trials: hundreds of curves are a few lines to plotly."""
    if not data.groups:
        return empty_figure("No finished epoch yet", data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    shades = colors(len(data.groups), ordered=data.is_ordered)
    for place, (group, shade) in enumerate(zip(data.groups, shades, strict=True)):
        figure.add_traces(_traces(group, {"color": shade, "dash": dash_at(place)}, data))
    curves = [curve for group in data.groups for curve in group.curves.values()]
    figure.update_xaxes(title_text="epoch", **whole_ticks(sorted({epoch for curve in curves for epoch, _ in curve})))
    figure.update_yaxes(title_text=data.axis)
    limit_axis(figure, data.metric, [[mean for _, mean in curve] for curve in curves])
    # also where there is one group: it has their number
    return figure.update_layout(showlegend=True, legend_title_text=escape(data.by), meta={"curves": True})


def _traces(group: Group, look: dict[str, str], data: AllCurvesData) -> list[Trace]:
    """The lines of a group, and dots for its curves of one epoch; the first of both is in the legend."""
    lines, dots = ({n: curve for n, curve in group.curves.items() if (len(curve) == 1) == is_dot} for is_dot in (0, 1))
    traces = [
        _trace(curves, mode, group, look, data) for curves, mode in ((lines, "lines"), (dots, "markers")) if curves
    ]
    return [trace | {"showlegend": place == 0} for place, trace in enumerate(traces)]


def _trace(curves: Curves, mode: str, group: Group, look: dict[str, str], data: AllCurvesData) -> Trace:
    points = [(trial, *point) for trial, curve in curves.items() for point in (*curve, (None, None))]
    return scatter(
        x=[epoch for _, epoch, _ in points],
        y=[mean for *_, mean in points],
        customdata=[trial for trial, *_ in points],
        name=f"{group.name} ({len(group.curves):,})",
        legendgroup=group.name,
        mode=mode,
        opacity=0.55,
        line=look | {"width": 1.2},
        marker={"color": look["color"], "size": 5},
        hovertemplate=f"trial %{{customdata}}<br>epoch %{{x}}: <b>{data.hover}</b><br>{group.name}<extra></extra>",
    )

"""The chart of the best value so far against what was spent on it: seconds, epochs or trials."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple, get_args

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, axis_plan, draw_x_axis
from app.charts.empty import empty_figure
from app.charts.marks import excluded_note
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.theme import BEST, Trace, new_figure, scatter
from app.charts.titles import regret_title, subtitle
from app.charts.value_scale import ValueScale
from app.domain.formatting import plural, score

Spent = Literal["seconds", "epochs", "trials"]
SPENT: tuple[Spent, ...] = get_args(Spent)

SPENT_TITLES: dict[Spent, str] = {
    "seconds": "seconds since the start, with pauses",
    "epochs": "epochs trained, of all runs",
    "trials": "trials ended",
}


@dataclass(frozen=True)
class RegretOptions:
    """The x axis."""

    x: Spent = "seconds"


class Step(NamedTuple):
    """A new best single trial."""

    spent: float
    value: float
    number: int  # of the trial


class RegretData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    unit: Spent
    axis: AxisPlan
    scale: ValueScale
    steps: list[Step]
    end: float  # what was spent until the last trial ended


def regret_data(sweep: SweepRow, trials: Sequence[TrialRow], options: RegretOptions) -> RegretData:
    """What the chart shows. Pruned and failed trials were spent too, but only complete ones are compared."""
    ended = [(trial.finished_at, trial) for trial in trials if trial.finished_at is not None and not trial.excluded]
    ended_trials = [trial for _, trial in sorted(ended, key=lambda item: (item[0], item[1].number))]
    spent = _spent(sweep, ended_trials, options.x)
    steps = list(_steps(sweep, ended_trials, spent))
    complete = sum(trial.state == "complete" for trial in ended_trials)
    end = spent[-1] if spent else 0.0
    axis = axis_plan(Axis(SPENT_TITLES[options.x]), [step.spent for step in steps] + [end])
    return RegretData(
        title=regret_title(sweep.objective.metric, options.x),
        subtitle=subtitle(
            sweep,
            f"of single trials: {plural(complete, 'complete trial')} of {len(ended_trials):,} that ended",
            f"y axis: {ValueScale(sweep.objective).note}",
            excluded_note(sweep),
        ),
        unit=options.x,
        axis=axis._replace(ticks=None),
        scale=ValueScale(sweep.objective),
        steps=steps,
        end=end,
    )


def regret_figure(data: RegretData) -> go.Figure:
    """A step for each new best, and on from the last one to where the sweep is."""
    if not data.steps:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    figure.add_trace(_line(data))
    draw_x_axis(figure, data.axis)
    if data.axis.scale == "linear":
        figure.update_xaxes(rangemode="tozero")
    ticks = data.scale.ticks([step.value for step in data.steps])
    return figure.update_yaxes(title_text=data.scale.name, **ticks)


def _spent(sweep: SweepRow, ended_trials: Sequence[TrialRow], x: Spent) -> list[float]:
    """What was spent when each of the trials had ended."""
    if x == "trials":
        return [float(count + 1) for count in range(len(ended_trials))]
    if x == "epochs":
        return [float(total) for total in accumulate(trial.epochs_trained for trial in ended_trials)]
    times = [trial.finished_at for trial in ended_trials if trial.finished_at is not None]
    start = sweep.started_at or min(times, default=None)
    return [max((time - start).total_seconds(), 0.0) for time in times] if start else []


def _steps(sweep: SweepRow, ended_trials: Sequence[TrialRow], spent: Sequence[float]) -> Iterator[Step]:
    best: float | None = None
    for trial, at in zip(ended_trials, spent, strict=True):
        value = trial.value
        if trial.state != "complete" or value is None or not math.isfinite(value):
            continue
        if best is None or sweep.objective.is_better(value, best):
            best = value
            yield Step(at, value, trial.number)


def _line(data: RegretData) -> Trace:
    points = [*data.steps, data.steps[-1]._replace(spent=data.end)]
    metric = data.scale.objective.metric
    return scatter(
        x=[point.spent for point in points],
        y=[round(data.scale.place(point.value), 5) for point in points],
        mode="lines+markers",
        line={"shape": "hv", "width": 2, "color": BEST},
        marker={"size": [7] * len(data.steps) + [0], "color": BEST},
        text=[f"<b>{score(point.value, metric=metric)}</b>, trial {point.number}" for point in points],
        customdata=[point.number for point in points],
        hovertemplate="%{text}<br>after %{x:.6g} " + data.unit + "<extra></extra>",
    )

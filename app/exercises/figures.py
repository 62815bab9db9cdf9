"""Figures that several exercises draw: levels along an axis, a line for each kind, with every run and its spread."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, Place, axis_plan, draw_x_axis, place_of
from app.charts.configurations import Spread, error_bars, spread
from app.charts.empty import empty_figure
from app.charts.labels import escape, label
from app.charts.rows import Axis, SweepRow
from app.charts.theme import INK, PALETTE, Trace, faded, new_figure, scatter, symbol_at
from app.charts.titles import axis_title, subtitle, value_hover, value_title
from app.domain.formatting import plural
from app.domain.tasks import TASKS
from app.exercises.answers.levels import Level
from app.exercises.answers.ratios import Ratio
from app.exercises.answers.wording import in_words
from app.exercises.exercise import LEGEND

CONFIDENCE_NOTE = "bars: 95 % confidence"
SHIFT = 0.01  # of the axis, between lines at one place
WIDE = 4  # times the smallest ratio, from where on the axis is a log one


class LevelLine(NamedTuple):
    """What has one colour: levels in the order of x."""

    name: str
    levels: Sequence[tuple[object, Level[Any]]]  # the value of x, and what it comes to


class RatioLine(NamedTuple):
    """What has one colour: ratios in the order of x."""

    name: str
    ratios: Sequence[tuple[object, Ratio]]  # the value of x, and the ratio there


def levels_figure(
    sweep: SweepRow,
    title: str,
    x: Axis,
    lines: Sequence[LevelLine],
    *notes: str,
    metric: str = "",
    best_share: float = 1.0,
    log_y: bool = False,
) -> go.Figure:
    """Means with bars of one standard deviation over seeds, every run a faint point; what diverged is counted.

    `metric` is that of the values, the sweep's own if it is left out. Along names there are no lines, and the kinds
    stand side by side. A close-up draws only a share of the means, the best ones; `log_y` is for values that span
    decades.
    """
    metric = metric or sweep.objective.metric
    all_lines = [LevelLine(line.name, [item for item in line.levels if item[1].n]) for line in lines]
    all_lines, far_count = _close_up(sweep, all_lines, best_share)
    diverged = sum(level.diverged for line in lines for _, level in line.levels)
    left_out = f"{plural(diverged, 'diverged run')} left out" if diverged else ""
    cut = f"close-up: the worst {plural(far_count, 'mean')} left out" if far_count else ""
    text = subtitle(sweep, *notes, f"bars: ± std over {TASKS[sweep.task].run_noun}s", left_out, cut)
    drawn_lines = {place: line for place, line in enumerate(all_lines) if line.levels}
    if not drawn_lines:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    plan = axis_plan(x, [value for line in drawn_lines.values() for value, _ in line.levels])
    plan = plan._replace(name=in_words(plan.name))
    shifts = _shifts(plan, list(drawn_lines.values()))
    for (place, line), shift in zip(drawn_lines.items(), shifts, strict=True):
        color = PALETTE[place % len(PALETTE)]
        marker: dict[str, object] = {"color": color, "symbol": symbol_at(place)}
        figure.add_trace(_runs_trace(plan, line, shift, color, value_hover(sweep.objective.metric)))
        figure.add_trace(_line_trace(plan, metric, line, shift, marker, value_hover(sweep.objective.metric)))
    by_name = plan.scale == "category"
    drawn_levels = [level for line in drawn_lines.values() for _, level in line.levels]
    y_range = _whole_range(drawn_levels) if by_name or far_count else None
    is_timing = TASKS[sweep.task].is_timing
    figure.update_yaxes(title_text=value_title(metric) if is_timing else axis_title(metric, sweep), range=y_range)
    if log_y:
        figure.update_yaxes(range=None, **log_axis([run for level in drawn_levels for run in level.values.values()]))
    draw_x_axis(figure, plan)
    return figure.update_layout(scattermode="group" if by_name else "overlay", legend_maxheight=LEGEND)


def _shifts(plan: AxisPlan, lines: Sequence[LevelLine]) -> list[float]:
    """How far beside its places each line is drawn, so that bars at one place stand side by side."""
    if plan.scale == "category":
        return [0.0] * len(lines)
    places = [{_height(plan, place_of(plan, value)) for value, _ in line.levels} for line in lines]
    ladder = sorted(set().union(*places))
    is_shared = sum(map(len, places)) > len(ladder)
    if not is_shared or len(ladder) < 2:
        return [0.0] * len(lines)
    gap = min(high - low for low, high in pairwise(ladder))
    step = min(SHIFT * (ladder[-1] - ladder[0]), gap / (2 * len(lines)))
    return [(i - (len(lines) - 1) / 2) * step for i in range(len(lines))]


def _height(plan: AxisPlan, place: Place) -> float:
    """Where a number lies on its axis, in powers of ten on a log one."""
    return math.log10(float(place)) if plan.scale == "log" else float(place)


def _beside(plan: AxisPlan, value: object, shift: float) -> Place:
    """The place of a value, and so far beside it."""
    place = place_of(plan, value)
    if not shift:
        return place
    height = _height(plan, place) + shift
    return 10**height if plan.scale == "log" else height


def _whole_range(drawn_levels: Sequence[Level[Any]]) -> tuple[float, float]:
    """That of all runs and bars: side by side, plotly would draw them from zero."""
    runs = [run for level in drawn_levels for run in level.values.values()]
    bars = [level.mean + sign * (level.std or 0.0) for level in drawn_levels for sign in (-1, 1)]
    low, high = min(runs + bars), max(runs + bars)
    room = max(0.06 * (high - low), 1e-3)
    return low - room, high + room


def _close_up(sweep: SweepRow, lines: Sequence[LevelLine], best_share: float) -> tuple[list[LevelLine], int]:
    """The lines with that share of all their means, the best ones, and how many means that leaves out."""
    ranked = sorted((level.mean for line in lines for _, level in line.levels), reverse=sweep.objective.maximize)
    if not ranked:
        return [*lines], 0
    sign, limit = (1 if sweep.objective.maximize else -1), ranked[math.ceil(best_share * len(ranked)) - 1]
    near_lines = [
        LevelLine(line.name, [(value, level) for value, level in line.levels if sign * level.mean >= sign * limit])
        for line in lines
    ]
    return near_lines, len(ranked) - sum(len(line.levels) for line in near_lines)


def ratios_figure(
    sweep: SweepRow, title: str, x: Axis, lines: Sequence[RatioLine], *notes: str, y_title: str
) -> go.Figure:
    """Ratios with bars of 95 % confidence, and the line at 1 where both are alike; on a log axis where they are far."""
    drawn_lines = [line for line in lines if line.ratios]
    text = subtitle(sweep, *notes)
    if not drawn_lines:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    plan = axis_plan(x, [value for line in drawn_lines for value, _ in line.ratios])
    plan = plan if x.choices else plan._replace(ticks=None)
    for i, line in enumerate(drawn_lines):
        figure.add_trace(_ratios_trace(plan, line, {"color": PALETTE[i % len(PALETTE)], "symbol": symbol_at(i)}))
    figure.add_hline(y=1, line={"color": INK, "width": 1, "dash": "dot"})
    ends = [end for line in drawn_lines for _, value in line.ratios for end in value.interval or (value.estimate,)]
    is_wide = max(1.0, *ends) > WIDE * min(1.0, *ends)
    figure.update_yaxes(title_text=y_title, **(log_axis([1.0, *ends]) if is_wide else {}))
    draw_x_axis(figure, plan)
    if plan.scale == "log" and plan.ticks is None:  # a power of ten alone may be one tick, or none
        figure.update_xaxes(**log_axis([float(place) for place in plan.places], digits=(1, 3)))
    return figure


def log_axis(values: Sequence[float], *, digits: Sequence[int] = ()) -> dict[str, object]:
    """A log axis of a few ticks a power of ten, all named in full: of `0.2` plotly would write the `2` alone."""
    low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))) if values else (0, 1)
    digits = digits or ((1, 2, 5) if high - low <= 2 else (1, 3) if high - low <= 3 else (1,))
    ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in digits]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}


def _ratios_trace(plan: AxisPlan, line: RatioLine, marker: dict[str, object]) -> Trace:
    ratios = [value for _, value in line.ratios]
    bars = [
        Spread(value.estimate - value.interval[0], value.interval[1] - value.estimate) if value.interval else None
        for value in ratios
    ]
    return scatter(
        x=[place_of(plan, value) for value, _ in line.ratios],
        y=[value.estimate for value in ratios],
        name=escape(line.name),
        mode="lines+markers",
        line={"width": 2, "color": marker["color"]},
        marker=marker | {"size": 8},
        error_y=error_bars(bars),
        text=[f"{escape(line.name)}<br>{plural(value.n, 'repeat')}" for value in ratios],
        hovertemplate="<b>%{y:.3f} times</b> at %{x}<br>%{text}<extra></extra>",
    )


def _runs_trace(plan: AxisPlan, line: LevelLine, shift: float, color: str, hover: str) -> Trace:
    points = [(_beside(plan, value, shift), run) for value, level in line.levels for run in level.values.values()]
    return scatter(
        x=[place for place, _ in points],
        y=[run for _, run in points],
        name=escape(line.name),
        legendgroup=line.name,
        offsetgroup=line.name,
        showlegend=False,
        mode="markers",
        marker={"size": 5, "color": faded(color, 0.45)},
        hovertemplate=f"one run: <b>{hover}</b><extra></extra>",
    )


def _line_trace(
    plan: AxisPlan, metric: str, line: LevelLine, shift: float, marker: dict[str, object], hover: str
) -> Trace:
    levels = [level for _, level in line.levels]
    return scatter(
        x=[_beside(plan, value, shift) for value, _ in line.levels],
        y=[level.mean for level in levels],
        name=escape(line.name),
        legendgroup=line.name,
        offsetgroup=line.name,
        mode="markers" if plan.scale == "category" else "lines+markers",
        line={"width": 2, "color": marker["color"]},
        marker=marker | {"size": 8},
        error_y=error_bars([spread(metric, level.mean, level.std) for level in levels]),
        text=[f"{label(value)}<br>{escape(line.name)}<br>{plural(level.n, 'run')}" for value, level in line.levels],
        hovertemplate=f"<b>{hover}</b> at %{{text}}<extra></extra>",
    )

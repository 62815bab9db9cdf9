"""Draws the effect of one hyperparameter: points, lines for what can be compared, and a star for the best."""

from collections.abc import Sequence
from itertools import groupby

import plotly.graph_objects as go

from app.charts.axis import Place, color_bar, color_value, draw_x_axis
from app.charts.configurations import Spread, error_bars
from app.charts.effect.parts import EffectData, Expected, Group, Level, Line, Point
from app.charts.empty import empty_figure
from app.charts.labels import label
from app.charts.marks import hollow_trace, star_trace
from app.charts.theme import INK, PALETTE, SCALE, Trace, colors, faded, new_figure, scatter, symbol_at
from app.domain.formatting import score
from app.domain.hyperparameters import is_number

BARS = 120  # with more configurations, error bars hide the points
LINE_BARS = 8  # the same for the lines of a grid


def effect_figure(data: EffectData) -> go.Figure:
    """Points, hollow ones for pruned and excluded trials, lines, and a star for the best configuration."""
    if not any((data.pruned, data.excluded, *(group.points or group.lines for group in data.groups))):
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    for name, points in (("pruned", data.pruned), ("excluded", data.excluded)):
        if points:
            figure.add_trace(
                hollow_trace(name, [(point.x, point.y, point.text, point.trial) for point in points], data.hover)
            )
    if data.expected is not None:
        figure.add_traces(_expected_traces(data, data.expected))
    if data.envelope:
        figure.add_trace(_envelope_trace(data))
    for i, (group, shade) in enumerate(zip(data.groups, _shades(data), strict=True)):
        for trace in _group_traces(data, group, {"color": shade, "symbol": symbol_at(i)}):
            figure.add_trace(trace)
    if data.best is not None:
        figure.add_trace(_best_trace(data, data.best))
    figure.update_yaxes(title_text=data.metric, range=data.y_range)
    draw_x_axis(figure, data.axis)
    if data.color is not None and data.hues is None:
        figure.update_layout(legend_title_text=data.color)
        if data.axis.scale == "category" and data.kind == "alone":
            figure.update_layout(scattermode="group")  # side by side, or the error bars would hide each other
    return figure


def _shades(data: EffectData) -> Sequence[str]:
    hues = [point.hue for group in data.groups for point in _points(group)]
    return colors(len(data.groups), ordered=len(data.groups) > 2 and all(map(is_number, hues)))


def _points(group: Group) -> list[Point]:
    return [*group.points, *(point for line in group.lines for point in line.points)]


def _group_traces(data: EffectData, group: Group, marker: dict[str, object]) -> list[Trace]:
    """The traces of one colour."""
    if data.kind == "grid":
        traces = [_line_trace(data, group, line, marker, first=not index) for index, line in enumerate(group.lines)]
        if data.hues is not None:
            traces.append(_points_trace(data, group, _points(group), marker))
    else:
        traces = [_points_trace(data, group, group.points, marker)] if group.points else []
    return [*traces, _levels_trace(data, group, marker)] if group.levels else traces


def _points_trace(data: EffectData, group: Group, points: Sequence[Point], marker: dict[str, object]) -> Trace:
    alone = data.kind == "alone"
    look = marker | {"size": 6 if alone else 8, "opacity": 0.55 if alone else 0.75}
    if data.hues is not None:
        hues = [color_value(data.hues, point.hue) for point in points]
        scale = [list(stop) for stop in SCALE]
        look |= {"color": hues, "colorscale": scale, "colorbar": color_bar(data.hues), "opacity": 0.8}
    bars = {} if len(points) > BARS else _bars([point.bar for point in points])
    return scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        name=group.name or ("one run" if alone else "configuration"),
        legendgroup=group.name,
        showlegend=not group.name or not group.levels,
        offsetgroup=group.name,
        mode="markers",
        marker=look,
        text=[point.text for point in points],
        customdata=[point.trial for point in points],
        hovertemplate=f"<b>{data.hover}</b><br>%{{text}}<extra></extra>",
        **bars,
    )


def _line_trace(data: EffectData, group: Group, line: Line, marker: dict[str, object], *, first: bool) -> Trace:
    """One setting of the others: thin, so that the mean stands out where there is one."""
    color = str(marker["color"])
    bars = _bars([point.bar for point in line.points]) if len(group.lines) <= LINE_BARS else {}
    return scatter(
        x=[point.x for point in line.points],
        y=[point.y for point in line.points],
        name=group.name or "one setting of the others",
        legendgroup=group.name,
        showlegend=first and not (group.name and group.levels),
        mode="lines+markers",
        line={"color": faded(color, 0.45), "width": 1},
        marker={"color": faded(color, 0.7), "size": 5, "symbol": marker["symbol"]},
        text=[point.text for point in line.points],
        customdata=[point.trial for point in line.points],
        hovertemplate=f"<b>{data.hover}</b><br>%{{text}}<extra></extra>",
        **bars,
    )


def _levels_trace(data: EffectData, group: Group, marker: dict[str, object]) -> Trace:
    """Means, with error bars where they are over the seeds of one configuration; grey where points wear a scale."""
    alone = data.kind == "alone"
    color = PALETTE[-1] if data.hues else marker["color"]
    bars = [level.bar for level in group.levels]
    texts = [f"mean of {level.n} {'runs' if alone else 'settings'}" for level in group.levels]
    with_spread = any(bar is not None for bar in bars)
    markers_only = alone and data.axis.scale == "category"
    return scatter(
        x=[level.x for level in group.levels],
        y=[level.y for level in group.levels],
        name=group.name or (f"mean ± std over {data.runs_noun}" if with_spread else "mean"),
        legendgroup=group.name,
        offsetgroup=group.name,
        mode="markers" if markers_only else "lines+markers",
        line={"color": color, "width": 2 if alone else 3},
        marker=marker | {"size": 8, "color": color},
        text=[text + _bar_text(data, level) for text, level in zip(texts, group.levels, strict=True)],
        hovertemplate=f"{data.axis.name} %{{x}}: <b>{data.hover}</b>, %{{text}}<extra>{group.name}</extra>",
        **_bars(bars),
    )


def _bar_text(data: EffectData, level: Level) -> str:
    return "" if level.bar is None else f", ± {score(max(level.bar), metric=data.objective)}"


def _bars(bars: Sequence[Spread | None]) -> dict[str, object]:
    """Error bars of a trace, none where no point has one."""
    if all(bar is None for bar in bars):
        return {}
    return {"error_y": error_bars(bars)}


def _envelope_trace(data: EffectData) -> Trace:
    """The best found near each value: no line through means, and a gap where nothing was tried."""
    by_name = data.axis.scale == "category"
    return scatter(
        x=[level.x for level in data.envelope],
        y=[level.y for level in data.envelope],
        name="best found for it" if by_name else "best found near it",
        mode="markers" if by_name else "lines",
        connectgaps=False,
        line={"color": INK, "width": 2, "dash": "dot"},
        marker={"symbol": "line-ew", "size": 30, "line": {"width": 2, "color": INK}},
        text=[f"of {level.n}" for level in data.envelope],
        hovertemplate=f"best near %{{x:.4g}}: <b>{data.hover}</b> %{{text}}<extra></extra>"
        if not by_name
        else f"best for %{{x}}: <b>{data.hover}</b> %{{text}}<extra></extra>",
    )


def _expected_traces(data: EffectData, expected: Expected) -> list[Trace]:
    """The band, thin lines for single settings, and their mean."""
    band = _band(expected)
    line = {"x": expected.x, "mode": "lines", "connectgaps": False, "hoverinfo": "skip", "showlegend": False}
    return [
        scatter(
            x=[x for x, _ in band],
            y=[y for _, y in band],
            fill="toself", fillcolor=faded(PALETTE[2], 0.18), line={"width": 0}, mode="lines", hoverinfo="skip",
            name="90 % of resamples",
        ),
        *(scatter(**line, y=y, line={"color": faded(PALETTE[2], 0.25), "width": 1}) for y in expected.lines),
        scatter(
            x=expected.x, y=expected.mean, name="expected by a forest", connectgaps=False,
            mode="lines+markers" if data.axis.scale == "category" else "lines",
            line={"color": PALETTE[2], "width": 3},
            hovertemplate=f"expected at %{{x}}: <b>{data.hover}</b><extra></extra>",
        ),
    ]  # fmt: skip


def _band(expected: Expected) -> list[tuple[Place | None, float | None]]:
    """The outline of the band, and of another one behind each gap."""
    ends = list(zip(expected.x, expected.low, expected.high, strict=True))
    outline: list[tuple[Place | None, float | None]] = []
    for is_empty, group in groupby(ends, key=lambda end: end[1] is None):
        part = list(group)
        if not is_empty:
            outline += [*((x, low) for x, low, _ in part), *((x, high) for x, _, high in reversed(part)), (None, None)]
    return outline


def _best_trace(data: EffectData, best: Point) -> Trace:
    grouped = data.color is not None and data.hues is None
    star = star_trace(data.best_name, best.x, best.y, best.text, best.trial)
    return star | {"offsetgroup": label(best.hue) if grouped else None}

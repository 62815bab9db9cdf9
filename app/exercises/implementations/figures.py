"""The table of networks, and the figures of their times."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.charts.rows import Axis
from app.domain.formatting import plural, score
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements, SweepData
from app.exercises.figures import CONFIDENCE_NOTE, LevelLine, RatioLine, levels_figure, ratios_figure
from app.exercises.implementations.timings import (
    EPOCHS,
    NAMES,
    NETWORKS,
    SECONDS,
    SHORT_NAMES,
    Setting,
    Timings,
    by_width,
    networks_of,
    parameter_count,
    ratio_between,
    read_timings,
)


def seconds_figure(measurements: Measurements) -> go.Figure:
    """Seconds of an epoch by width, a line for each implementation and depth."""
    timings = read_timings(measurements)
    kinds = dict.fromkeys((setting.implementation, setting.network.depth) for setting in timings)
    lines = [
        LevelLine(f"{SHORT_NAMES[implementation]}, {plural(depth, 'layer')}", by_width(timings, implementation, depth))
        for implementation, depth in kinds
    ]
    widths = tuple(sorted({setting.network.width for setting in timings}))
    x = Axis("hidden_units", choices=widths, log=True)
    note = f"fused: seconds for each of {NETWORKS} networks" if any(name == "fused" for name, _ in kinds) else ""
    return levels_figure(measurements[EPOCHS].sweep, "Time of an epoch by width", x, lines, note, log_y=True)


def ratio_figure(measurements: Measurements) -> go.Figure:
    """How many times as long each implementation takes as the one from scratch, by the network's parameters."""
    timings, data = read_timings(measurements), measurements[EPOCHS]
    lines = []
    for implementation in ("concise", "compiled", "fused"):
        for depth in dict.fromkeys(network.depth for network in networks_of(timings)):
            points = [
                (parameter_count(data, network), value)
                for network in networks_of(timings)
                if network.depth == depth
                and (value := ratio_between(timings, network, implementation, "scratch")) is not None
            ]
            lines.append(RatioLine(f"{SHORT_NAMES[implementation]}, {plural(depth, 'layer')}", points))
    title, notes = "Multiples of the time from scratch", ("1: an epoch from scratch; below: faster", CONFIDENCE_NOTE)
    x = Axis("weights and biases of the network", log=True)
    return ratios_figure(data.sweep, title, x, lines, *notes, y_title="Relative time")


def table_rows(timings: Timings, data: SweepData) -> Sequence[Sequence[str]]:
    rows = []
    for network in sorted(networks_of(timings), key=lambda network: parameter_count(data, network)):
        for implementation in NAMES:
            level = timings.get(Setting(implementation, network))
            if level is None:
                continue
            value = ratio_between(timings, network, implementation, "scratch")
            rows.append(
                (
                    "-".join([str(network.width)] * network.depth),
                    f"{parameter_count(data, network):,}",
                    SHORT_NAMES[implementation],
                    score(level.mean, level.std, SECONDS).removesuffix(" s"),
                    f"{value.estimate:.2f}" if value else "",
                    runs_of(level),
                )
            )
    return rows

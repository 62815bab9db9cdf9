"""Two objectives against each other: which trials does no other beat in every objective?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import axis_plan
from app.charts.empty import empty_figure
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import failed, finished, thinned
from app.charts.theme import BEST, PALETTE, Trace, figure, scatter
from app.charts.words import failed_note, metric_name, params_text, subtitle, varying
from app.domain.pareto import front

POINTS = 2_000  # trials drawn that are not on the front
UNITS = {
    "parameters": "Weights and biases",
    "seconds": "Training time of a run (s)",
    "val_loss": "Validation loss (nats)",
    "train_loss": "Training loss (nats)",
}


@dataclass(frozen=True)
class ParetoOptions:
    """The objectives on the axes, by their metrics."""

    x: str
    y: str


class Point(NamedTuple):
    """One trial: the mean over its runs in both objectives, and their sample standard deviations."""

    x: float
    y: float
    x_std: float | None
    y_std: float | None
    text: str


class ParetoData(NamedTuple):
    """`front` is in the order of x; `joined` where it is a line, which it is for two objectives."""

    title: str
    subtitle: str
    x: str
    y: str
    log: tuple[bool, bool]
    front: list[Point]
    others: list[Point]
    joined: bool


def pareto_data(sweep: SweepRow, trials: Sequence[TrialRow], options: ParetoOptions) -> ParetoData:
    """What the chart shows. The front is that of all objectives, also of those that are on no axis."""
    names = [metric for metric, _ in sweep.objectives]
    known = [trial for trial, _ in finished(trials) if len(trial.values) == len(names)]
    best = set(front([trial.values for trial in known], [maximize for _, maximize in sweep.objectives]))
    at = names.index(options.x), names.index(options.y)
    varied = varying(known)
    points = [_point(trial, at, params_text(trial.params, varied)) for trial in known]
    others = [point for index, point in enumerate(points) if index not in best]
    shown = thinned(others, POINTS)
    more = ", ".join(f"{_title(name)} {'up' if maximize else 'down'}" for name, maximize in sweep.objectives)
    return ParetoData(
        title=f"{metric_name(options.y)} against {metric_name(options.x).lower()}",
        subtitle=subtitle(
            sweep,
            f"objectives: {more}; bars: ± std over seeds",
            failed_note(failed(trials)),
            f"{len(shown)} of {len(others)} trials off the front drawn" if len(shown) < len(others) else "",
        ),
        x=_title(options.x),
        y=_title(options.y),
        log=(_is_log([point.x for point in points]), _is_log([point.y for point in points])),
        front=sorted((points[index] for index in best), key=lambda point: (point.x, point.y)),
        others=shown,
        joined=len(names) == 2,
    )


def pareto_figure(data: ParetoData) -> go.Figure:
    """Faint points for the trials, larger ones with error bars for the front, joined where it is a line."""
    if not data.front:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    made = figure(data.title, data.subtitle)
    if data.others:
        made.add_trace(_trace(data.others, "trial", {"size": 7, "opacity": 0.5, "color": PALETTE[0]}))
    bars = {
        "error_x": {"array": [point.x_std or 0.0 for point in data.front], "thickness": 1.2, "width": 3},
        "error_y": {"array": [point.y_std or 0.0 for point in data.front], "thickness": 1.2, "width": 3},
        "mode": "lines+markers" if data.joined else "markers",
        "line": {"width": 2, "color": BEST},
    }
    made.add_trace(_trace(data.front, "Pareto front", {"size": 10, "color": BEST, "symbol": "diamond"}, **bars))
    made.update_xaxes(title_text=data.x, type="log" if data.log[0] else "linear")
    made.update_yaxes(title_text=data.y, type="log" if data.log[1] else "linear")
    return made


def _point(trial: TrialRow, at: tuple[int, int], params: str) -> Point:
    stds = trial.stds or (None,) * len(trial.values)
    return Point(
        trial.values[at[0]], trial.values[at[1]], stds[at[0]], stds[at[1]], f"trial {trial.number}<br>{params}"
    )


def _trace(points: Sequence[Point], name: str, marker: dict[str, object], **more: object) -> Trace:
    spreads = [(_spread(point.x_std), _spread(point.y_std)) for point in points]
    return scatter(
        **{"mode": "markers"} | more,
        x=[point.x for point in points],
        y=[point.y for point in points],
        name=name,
        marker=marker,
        text=[point.text for point in points],
        customdata=spreads,
        hovertemplate="<b>%{y:.4g}</b>%{customdata[1]} at %{x:.4g}%{customdata[0]}<br>%{text}<extra></extra>",
    )


def _spread(std: float | None) -> str:
    return "" if std is None else f" ± {std:.2g}"


def _title(metric: str) -> str:
    return UNITS.get(metric, metric_name(metric))


def _is_log(values: Sequence[float]) -> bool:
    """Sizes and times that lie two decades apart are compared by their ratio."""
    return axis_plan(Axis(""), values).scale == "log"

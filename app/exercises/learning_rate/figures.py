"""The table of rates, and the figures of accuracies by rate and epochs."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.charts.axis import axis_plan, draw_x_axis, draw_y_axis
from app.charts.empty import empty_figure
from app.charts.rows import Axis
from app.charts.theme import PALETTE, new_figure, scatter
from app.charts.titles import subtitle
from app.domain.formatting import number, plural
from app.exercises.answers.levels import Level
from app.exercises.answers.wording import runs_of, spread
from app.exercises.exercise import Measurements
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.learning_rate.rates import SWEEP, Optimum, Rates, budgets, optimum_of, rates_by_epochs


def table_rows(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> list[tuple[str, ...]]:
    last = by_epochs[optima[-1].epochs]
    return [
        (
            number(rate),
            *(_cell(by_epochs[optimum.epochs][rate]) for optimum in optima),
            "" if level.std is None else f"{level.std:.4f}",
            runs_of(level),
        )
        for rate, level in last.items()
    ]


def _cell(level: Level[float]) -> str:
    return f"{level.mean:.4f}" if level.n else "diverged"


# ---- charts


def _rate_figure(measurements: Measurements, best_share: float = 1.0) -> go.Figure:
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    lines = [LevelLine(plural(epochs, "epoch"), [*by_epochs[epochs].items()]) for epochs in budgets(by_epochs)]
    axis = data.sweep.axes.get("learning_rate", Axis("learning_rate", log=True))
    note = "fewer epochs: read from the same runs"
    return levels_figure(data.sweep, "Validation accuracy by learning rate", axis, lines, note, best_share=best_share)


def rate_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by rate, a line for each of a few numbers of epochs."""
    return _rate_figure(measurements)


def close_figure(measurements: Measurements) -> go.Figure:
    """The same, close up."""
    return _rate_figure(measurements, 0.5)


def optimum_figure(measurements: Measurements) -> go.Figure:
    """The best rate by number of epochs, with the range that can't be told from it."""
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    optima = [optimum for epochs, rates in by_epochs.items() if (optimum := optimum_of(epochs, rates))]
    title = "Best learning rate by epochs"
    text = subtitle(data.sweep, "bars: rates that are not clearly worse", "of the rates tried, so in steps")
    if not optima:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    figure.add_trace(
        scatter(
            x=[optimum.epochs for optimum in optima],
            y=[optimum.best.setting for optimum in optima],
            mode="lines+markers",
            line={"shape": "hvh", "width": 2, "color": PALETTE[0]},
            error_y={
                "array": [optimum.high - optimum.best.setting for optimum in optima],
                "arrayminus": [optimum.best.setting - optimum.low for optimum in optima],
                "symmetric": False,
                "thickness": 1.2,
                "width": 3,
            },
            text=[f"{spread(optimum.best)}, {plural(optimum.best.n, 'run')}" for optimum in optima],
            hovertemplate="after %{x} epochs <b>%{y}</b><br>%{text}<extra></extra>",
        )
    )
    rates = next(iter(by_epochs.values()))
    draw_x_axis(figure, axis_plan(Axis("epochs"), by_epochs))
    draw_y_axis(figure, axis_plan(Axis("learning rate", log=True, choices=tuple(rates)), ()))
    return figure

"""The table of activations, and the figure of their accuracies."""

import plotly.graph_objects as go

from app.charts.rows import Axis
from app.domain.formatting import number
from app.exercises.activations.tuning import ONE_RATE, SWEEP, Tuned, ranking, setting_of
from app.exercises.answers.levels import levels
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements
from app.exercises.figures import LevelLine, levels_figure


def table_row(tuned: Tuned) -> tuple[str, ...]:
    return (
        tuned.activation,
        number(tuned.best.setting.rate),
        f"{tuned.best.mean:.4f}",
        "" if tuned.best.std is None else f"{tuned.best.std:.4f}",
        "" if tuned.unseen is None else f"{tuned.unseen.mean:.4f}",
        "" if tuned.at_one_rate is None else f"{tuned.at_one_rate.mean:.4f}",
        runs_of(tuned.best),
    )


def comparison_figure(measurements: Measurements) -> go.Figure:
    """Every run by activation: with the rate that is best for it, and with the one rate for all."""
    data = measurements[SWEEP]
    ranked = ranking(levels(data.trials, setting_of))
    one_rate = [(tuned.activation, tuned.at_one_rate) for tuned in ranked if tuned.at_one_rate is not None]
    return levels_figure(
        data.sweep,
        "Validation accuracy by activation",
        Axis("activation", choices=tuple(tuned.activation for tuned in ranked)),
        [
            LevelLine("its own best rate", [(tuned.activation, tuned.best) for tuned in ranked]),
            LevelLine(f"{number(ONE_RATE)} for all", one_rate),
        ],
        "the best first; every run a point",
    )


def rates_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by learning rate, a line for each activation, the best first."""
    data = measurements[SWEEP]
    settings = levels(data.trials, setting_of)
    lines = [
        LevelLine(
            tuned.activation,
            [(key.rate, level) for key, level in settings.items() if key.activation == tuned.activation],
        )
        for tuned in ranking(settings)
    ]
    axis = data.sweep.axes.get("learning_rate", Axis("learning_rate", log=True))
    return levels_figure(data.sweep, "Validation accuracy by learning rate", axis, lines)

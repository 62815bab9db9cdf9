"""Exercise 9: whether it matters how weights are initialized, at which depth, and after how many epochs."""

from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go

from app.domain.configuration import INITIALIZATIONS
from app.exercises.answers.finding import Answer
from app.exercises.answers.levels import levels
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, chart_of, training_body
from app.exercises.initializations.figures import accuracy_figure, deep_numbers, scales_figure, table_rows
from app.exercises.initializations.findings import (
    caveats,
    certainty,
    difference_findings,
    first_pass_findings,
    first_sentence,
    scale_findings,
    zeros_findings,
)
from app.exercises.initializations.starts import (
    DEFAULT,
    DEPTHS,
    EPOCHS,
    HEADER,
    NAMED,
    SCALES,
    SEEDS,
    STDS,
    UNITS,
    Start,
    comparisons_with_default,
    depths_of,
    named_start,
)
from app.exercises.preset import Preset

DEEP = f"{max(DEPTHS)} hidden layers"


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """All initializations as they are, and the normal one in four scales, each in a shallow and a deep network."""
    return {
        NAMED: _body(preset, "initializations", {"initialization": list(INITIALIZATIONS)}),
        SCALES: _body(preset, "scales", {"initialization": "normal", "init_std": list(STDS)}),
    }


def _body(preset: Preset, name: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    space = {
        "hidden_layers": [[UNITS[preset]] * depth for depth in DEPTHS],
        **weights,
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
    }
    return training_body(9, name, preset, space, SEEDS[preset], diagnostics=True)


def _tried_body(preset: Preset) -> dict[str, Any]:
    """The deep network, the scale of whose normal weights a reader chooses."""
    weights = {"initialization": "normal", "hidden_layers": [[UNITS[preset]] * max(DEPTHS)]}
    return _body(preset, "scale", weights) | {"diagnostics": False}


def answer(measurements: Measurements) -> Answer | None:
    """Which initializations differ clearly from the default, at which depth, and what the first pass says of it."""
    data, scales = measurements[NAMED], measurements[SCALES]
    starts = levels(data.trials, named_start)
    depths = [depth for depth in depths_of(starts) if Start(depth, DEFAULT) in starts]
    compared_depths = [depth for depth in depths if comparisons_with_default(starts, depth)]
    if not compared_depths:
        return None
    return Answer(
        sentence=first_sentence(data, starts, compared_depths),
        findings=[
            *(finding for depth in reversed(depths) for finding in difference_findings(data, starts, depth)),
            *first_pass_findings(measurements),
            *zeros_findings(data),
            *(finding for depth in depths for finding in scale_findings(scales, depth)),
        ],
        certainty=certainty(starts, depths),
        caveats=caveats(measurements, starts),
        header=HEADER,
        rows=table_rows(data, scales),
    )


def _first_pass(sweep: str, measure: str, how: str = DEEP) -> Callable[[Measurements], go.Figure]:
    """Draws what the deep networks' first pass measured, before any step."""
    title = f"{measure.capitalize()} before training, {how}"
    return chart_of(sweep, "diagnostics", deep_numbers, title=title, measure=measure, epoch="0")


INITIALIZATION = Exercise(
    number=9,
    title="Initializations",
    question="Try different schemes for initializing the weights. Does it matter?",
    parts=("Accuracy with each initialization", "Whether it matters"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by initialization", accuracy_figure),
        ExerciseChart("close-up", "The same, close up", lambda data: accuracy_figure(data, best_share=0.8)),
        ExerciseChart("scales", "Accuracy by the scale of normal weights", scales_figure),
        ExerciseChart("activations", f"Activations before training, {DEEP}", _first_pass(NAMED, "activations")),
        ExerciseChart("gradients", f"Gradients before training, {DEEP}", _first_pass(NAMED, "gradients")),
        ExerciseChart(
            "scale-activations",
            "Activations before training, by scale",
            _first_pass(SCALES, "activations", "by scale"),
        ),
        ExerciseChart(
            "curves",
            f"Learning curves, {DEEP}",
            chart_of(NAMED, "curves", deep_numbers, title=f"Learning curves, {DEEP}"),
        ),
    ),
    answer=answer,
    subset="64 of 128 units a layer, 3 of 10 epochs, 3 of 5 seeds; all initializations",
    whole="10 initializations and 4 scales in networks of 1 and 4 hidden layers of 128 units, 10 epochs, 5 seeds",
    needs=frozenset({"epochs", "diagnostics"}),
    slider=Slider(
        "init_std",
        (0.0003, 0.003, 0.005, 0.02, 0.03, 0.05, 0.07, 0.15, 0.2, 0.3, 0.5, 0.7, 2.0),
        lambda preset, _: _tried_body(preset),
        "scales",
        "standard deviation",
        f"Normal weights in the network of {max(DEPTHS)} hidden layers; all else is as in the run.",
    ),
)

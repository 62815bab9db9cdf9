"""Exercise 2: whether one more hidden layer helps, at equal width and at equal size, and from which start."""

import math
from typing import Any

from app.domain.datasets import DATASETS
from app.exercises.answers.comparison import compare
from app.exercises.answers.finding import Answer
from app.exercises.answers.levels import levels
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, chart_of, training_body
from app.exercises.hidden_layers.figures import best_row, curve_numbers, depth_figure, table_rows
from app.exercises.hidden_layers.findings import (
    caveats,
    certainty,
    equal_size_findings,
    first_layer_findings,
    first_sentence,
    layer_finding,
    scratch_findings,
    second_layer_from_scratch_findings,
)
from app.exercises.hidden_layers.networks import SCRATCH, SWEEP, default_network, network_of
from app.exercises.preset import Preset

UNITS = {"quick": 128, "full": 256}
DEPTHS = {"quick": 3, "full": 4}
EPOCHS = {"quick": 5, "full": 10}
SEEDS = {"quick": 3, "full": 5}
CURVES = "Learning curves, equal width"


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid: layers of equal width and of equal size, each with both initialisations."""
    width = UNITS[preset]
    equal_width = [[width] * depth for depth in range(DEPTHS[preset] + 1)]
    equal_size = [[equal_size_width(width, depth)] * depth for depth in range(2, DEPTHS[preset] + 1)]
    space = {
        "hidden_layers": [*equal_width, *equal_size],
        "initialization": ["default", SCRATCH],
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
    }
    return {SWEEP: training_body(2, "hidden layers", preset, space, SEEDS[preset])}


def _tried_body(preset: Preset) -> dict[str, Any]:
    """Layers of equal width from the default start, whose number a reader chooses."""
    space = {"hidden_units": UNITS[preset], "learning_rate": 0.1, "epochs": EPOCHS[preset]}
    return training_body(2, "hidden layers", preset, space, 1)


def equal_size_width(width: int, depth: int) -> int:
    """The width of `depth` equal layers that have as many weights and biases as one layer of `width`, rounded."""
    features, classes = DATASETS["fashion_mnist"].shape
    total = (features + 1) * width + (width + 1) * classes
    linear = features + classes + depth  # of (depth - 1) w^2 + linear w + classes = total
    square = depth - 1
    return round((math.sqrt(linear**2 + 4 * square * (total - classes)) - linear) / (2 * square))


def answer(measurements: Measurements) -> Answer | None:
    """What the second layer changes at equal width and at equal size, and what it needs to start from."""
    data = measurements[SWEEP]
    networks = levels(data.trials, lambda trial: network_of(data, trial))
    single, double = networks.get(default_network(1)), networks.get(default_network(2))
    comparison = compare(double, single) if single and double else None
    if comparison is None or single is None or double is None:
        return None
    return Answer(
        sentence=first_sentence(data, comparison, networks),
        findings=[
            layer_finding("second_layer", "at equal width", comparison, double),
            *equal_size_findings(networks, single),
            *scratch_findings(data, networks),
            *second_layer_from_scratch_findings(networks),
            *first_layer_findings(networks, single),
        ],
        certainty=certainty(networks),
        caveats=caveats(data, networks),
        header=("hidden layers", "initialization", "validation", "std", "training", "runs", "parameters"),
        rows=table_rows(data, networks),
        best_row=best_row(networks),
    )


HIDDEN_LAYERS = Exercise(
    number=2,
    title="One hidden layer more",
    question="Add another hidden layer. How does that change the results?",
    parts=("Accuracy with one hidden layer more",),
    sweeps=sweeps,
    charts=(
        ExerciseChart("depth", "Accuracy by number of hidden layers", depth_figure),
        ExerciseChart("close-up", "The same, close up", lambda data: depth_figure(data, best_share=0.75)),
        ExerciseChart("curves", CURVES, chart_of(SWEEP, "curves", curve_numbers, title=CURVES)),
    ),
    answer=answer,
    subset="128 units, up to 3 hidden layers, 5 epochs, 3 seeds",
    whole="256 units, up to 4 hidden layers, 10 epochs, 5 seeds",
    needs=frozenset({"epochs"}),
    scored=(SWEEP,),
    slider=Slider(
        "depth",
        tuple(range(9)),
        lambda preset, _: _tried_body(preset),
        "depth",
        "hidden layers",
        "Layers as wide as the one of the run, from the default start; all else is as in the run.",
    ),
)

"""Exercise 3: why a hidden layer of one neuron is a bad idea, and what goes wrong in it."""

from collections.abc import Sequence
from typing import Any

from app.exercises.answers.comparison import compare
from app.exercises.answers.diagnosed import diagnosed_runs
from app.exercises.answers.finding import Answer
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, chart_of, training_body
from app.exercises.one_neuron.figures import (
    accuracy_figure,
    all_numbers,
    number_figure,
    outcomes_figure,
    relu_numbers,
    table_rows,
)
from app.exercises.one_neuron.findings import (
    answers_findings,
    behind_findings,
    caveats,
    certainty,
    chance_findings,
    cost_finding,
    enough_findings,
    first_sentence,
    separation_findings,
)
from app.exercises.one_neuron.networks import (
    ACTIVATIONS,
    ALONE,
    BOOK,
    BOTTLENECKS,
    EPOCHS,
    LADDER_ACTIVATIONS,
    ONE,
    OUTER,
    PLACES,
    SEEDS,
    WIDTHS,
    Network,
    read_networks,
    widest_level,
)
from app.exercises.preset import Preset

HEADER = (
    "bottleneck",
    "activation",
    "validation",
    "std",
    "runs",
    "at chance",
    "dead in the bottleneck",
    "different answers",
)
DEAD, GRADIENTS = "Dead neurons by layer, with ReLU", "Gradients around one neuron"
MIDDLE = "hidden_units_2"  # the width of the second of three layers


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """Many seeds of one neuron, in the middle and alone, and a ladder of wider bottlenecks, all with the same seeds."""
    outer = OUTER[preset]
    return {
        ONE: _body(preset, ONE, "one neuron", [[outer, 1, outer]], ACTIVATIONS[preset]),
        ALONE: _body(preset, ALONE, "one neuron alone", [[1]], ACTIVATIONS[preset]),
        WIDTHS: _body(
            preset, WIDTHS, "wider", [[outer, width, outer] for width in BOTTLENECKS[preset]], LADDER_ACTIVATIONS
        ),
    }


def _body(preset: Preset, sweep: str, name: str, layers: list[list[int]], activations: Sequence[str]) -> dict[str, Any]:
    space = {
        "hidden_layers": layers,
        "activation": list(activations),
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
    }
    return training_body(3, name, preset, space, SEEDS[preset][sweep], diagnostics=True)


def _tried_body(preset: Preset) -> dict[str, Any]:
    """The ReLU network of the ladder, the width of whose middle layer a reader chooses."""
    space = {
        "hidden_units": OUTER[preset],
        "depth": 3,
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
    }
    return training_body(3, "bottleneck", preset, space, 1)


def answer(measurements: Measurements) -> Answer | None:
    """What one neuron costs, how many runs stay at chance, and what was measured in those."""
    networks = read_networks(measurements)
    narrowest, widest = networks.get(Network(1, BOOK)), widest_level(networks)
    comparison = compare(narrowest, widest) if narrowest and widest else None
    runs = {place: diagnosed_runs(measurements[place]) for place in PLACES}
    if comparison is None or narrowest is None or widest is None or not runs[ONE]:
        return None
    data = measurements[ONE]
    of_book, of_others = chance_findings(measurements, runs)
    return Answer(
        sentence=first_sentence(comparison, widest.setting.bottleneck, data, runs),
        findings=[
            cost_finding(comparison, narrowest, widest),
            *of_book,
            *separation_findings(data, runs[ONE]),
            *answers_findings(measurements, runs[ONE]),
            *enough_findings(networks, widest),
            *behind_findings(measurements),
            *of_others,
        ],
        certainty=certainty(comparison, narrowest, widest, data, runs),
        caveats=caveats(data, networks),
        header=HEADER,
        rows=table_rows(measurements, networks),
    )


ONE_NEURON = Exercise(
    number=3,
    title="A hidden layer of one neuron",
    question="Why is it a bad idea to insert a hidden layer with a single neuron? What could go wrong?",
    parts=("Why one neuron is a bad idea", "What could go wrong"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by width of the bottleneck", accuracy_figure),
        ExerciseChart("outcomes", "What becomes of runs with one neuron", outcomes_figure),
        ExerciseChart("number", "What the one number tells apart", number_figure),
        ExerciseChart("dead", DEAD, chart_of(WIDTHS, "diagnostics", relu_numbers, title=DEAD, measure="dead")),
        ExerciseChart(
            "gradients", GRADIENTS, chart_of(ONE, "diagnostics", all_numbers, title=GRADIENTS, measure="gradients")
        ),
    ),
    answer=answer,
    subset="networks 64-b-64, not 128-b-128, 4 of 8 widths b, 2 of 3 activations, 4 of 10 epochs, 10 of 20 seeds",
    whole="networks 128-b-128, b from 1 to 128, with relu and tanh (sigmoid for b = 1 alone), 10 epochs, 20 seeds of "
    "one neuron and 5 of wider ones, and one neuron as the only hidden layer",
    needs=frozenset({"diagnostics"}),
    slider=Slider(
        MIDDLE,
        (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128),
        lambda preset, _: _tried_body(preset),
        "accuracy",
        "neurons in the middle",
        "With ReLU, between two wide layers; all else is as in the run.",
    ),
)

"""Exercise 6: how fast the framework is beside a network from scratch, and how that changes with its size."""

from typing import Any

from app.exercises.answers.finding import Answer
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider
from app.exercises.implementations.figures import ratio_figure, seconds_figure, table_rows
from app.exercises.implementations.findings import (
    caveats,
    certainty,
    first_sentence,
    optional_findings,
    ratio_finding,
    seconds_finding,
    size_findings,
    width_findings,
)
from app.exercises.implementations.timings import (
    COMPILED,
    EPOCHS,
    NETWORKS,
    ratio_between,
    read_timings,
    reference_network,
)
from app.exercises.preset import Preset

WIDTHS = {"quick": [16, 64, 256], "full": [16, 64, 256, 512]}
DEPTHS = [1, 3]
COMPILED_WIDTHS = {"quick": [256], "full": [16, 256, 512]}
EXAMPLES = 10_000
REPEATS = {"quick": 7, "full": 9}


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """A grid of networks by implementation; what is compiled takes long to compile, and is a grid of its own."""
    common: dict[str, Any] = {
        "task": "time_training",
        "dataset": "fashion_mnist",
        "sampler": "grid",
        "seeds": REPEATS[preset],
    }
    fixed = {"batch_size": 256, "examples": EXAMPLES}
    networks = {"networks": {"value": NETWORKS, "when": {"implementation": ["fused"]}}}
    implementations = {"implementation": ["scratch", "concise", "fused"], **networks}
    return {
        EPOCHS: common
        | {
            "name": f"Exercise 6: seconds an epoch ({preset})",
            "space": {**implementations, "hidden_units": WIDTHS[preset], "depth": DEPTHS, **fixed},
        },
        COMPILED: common
        | {
            "name": f"Exercise 6: compiled ({preset})",
            "space": {"implementation": "compiled", "hidden_units": COMPILED_WIDTHS[preset], "depth": 1, **fixed},
        },
    }


def _tried_body(preset: Preset) -> dict[str, Any]:
    """One hidden layer, whose width a reader chooses, from scratch and by the framework."""
    body = sweeps(preset)[EPOCHS]
    space = {name: value for name, value in body["space"].items() if name != "networks"}
    return body | {"space": {**space, "implementation": ["scratch", "concise"], "depth": 1}}


def answer(measurements: Measurements) -> Answer | None:
    """How many times as long the framework takes as the network from scratch, for small and for large networks."""
    timings = read_timings(measurements)
    reference = reference_network(timings)
    if reference is None:
        return None
    shown_ratio = ratio_between(timings, reference, "concise", "scratch")
    assert shown_ratio is not None
    return Answer(
        sentence=first_sentence(timings, reference, shown_ratio),
        findings=[
            ratio_finding("concise_to_scratch", timings, reference, "concise", "scratch"),
            *size_findings(timings, measurements[EPOCHS]),
            *optional_findings(timings, reference, "fused", measurements[EPOCHS]),
            *width_findings(timings),
            *optional_findings(timings, reference, "compiled", measurements[COMPILED]),
            *(seconds_finding(timings, reference, name) for name in ("scratch", "concise")),
        ],
        certainty=certainty(timings),
        caveats=caveats(measurements),
        header=("hidden layers", "parameters", "implementation", "seconds an epoch", "times scratch", "repeats"),
        rows=table_rows(timings, measurements[EPOCHS]),
    )


IMPLEMENTATIONS = Exercise(
    number=6,
    title="From scratch against the framework",
    question="How fast is the framework's implementation beside the one from scratch, and how does that change with "
    "the complexity of the network?",
    parts=("Time of an epoch of both", "How the ratio changes with the network's size"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("ratio", "Multiples of the time from scratch", ratio_figure),
        ExerciseChart("seconds", "Time of an epoch by width", seconds_figure),
    ),
    answer=answer,
    optional=(COMPILED,),
    slider=Slider(
        "hidden_units",
        (8, 12, 24, 32, 48, 96, 128, 192, 320, 384, 768, 1024),
        lambda preset, _: _tried_body(preset),
        "seconds",
        "hidden units",
        "One hidden layer, timed once from scratch and once by the framework, as in the run.",
        beside=("implementation",),
        action="Time both",
    ),
    subset="6 networks of up to 256 units, 10,000 images an epoch, 7 repeats",
    whole="8 networks of up to 512 units, 10,000 images an epoch, 9 repeats",
)

"""Exercise 6: how fast the framework is beside a network from scratch, and how that changes with its size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.rows import Axis, TrialRow
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.formatting import plural, score
from app.domain.tasks import TASKS
from app.domain.tasks.time_training import epoch_examples
from app.exercises.answers.circumstances import circumstances_caveats, disturbed_settings, failures_text
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.ratios import Ratio, quotient, ratio, ratio_verdict, times
from app.exercises.answers.wording import runs_of, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData
from app.exercises.figures import LevelLine, RatioLine, levels_figure, ratios_figure

EPOCHS, COMPILED = "epochs", "compiled"  # the sweeps
SECONDS = "seconds_per_epoch"
WIDTHS = {"quick": [16, 64, 256], "full": [16, 64, 256, 512]}
DEPTHS = [1, 3]
COMPILED_WIDTHS = {"quick": [256], "full": [16, 256, 512]}
NETWORKS = 8  # that the fused engine trains together
EXAMPLES = 10_000
REPEATS = {"quick": 7, "full": 9}
BOOK_WIDTH = 256
NAMES = {
    "scratch": "from scratch",
    "concise": "by the framework (torch.nn)",
    "compiled": "by torch.compile",
    "fused": "fused with others",
}


class Network(NamedTuple):
    """The shape of a network."""

    depth: int
    width: int


class Setting(NamedTuple):
    """What was timed."""

    implementation: str
    network: Network


class Timings(dict[Setting, Level[Setting]]):
    """What was timed, by setting, and those settings that others disturbed."""

    disturbed: set[Setting]


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


def answer(measurements: Measurements) -> Answer | None:
    """How many times as long the framework takes as the network from scratch, for small and for large networks."""
    timings = _timings(measurements)
    reference = _reference(timings)
    if reference is None:
        return None
    shown_ratio = _ratio(timings, reference, "concise", "scratch")
    assert shown_ratio is not None
    return Answer(
        sentence=_sentence(timings, reference, shown_ratio, measurements[EPOCHS]),
        findings=[
            _ratio_finding("concise_to_scratch", timings, reference, "concise", "scratch"),
            *_size_findings(timings, measurements[EPOCHS]),
            *_optional(timings, reference, "fused", measurements[EPOCHS]),
            *_optional(timings, reference, "compiled", measurements[COMPILED]),
            *(_seconds_finding(timings, reference, name) for name in ("scratch", "concise")),
        ],
        certainty=_certainty(timings),
        caveats=_caveats(measurements),
        header=("hidden layers", "parameters", "implementation", "seconds an epoch", "times scratch", "repeats"),
        rows=_rows(timings, measurements[EPOCHS]),
    )


def seconds_figure(measurements: Measurements) -> go.Figure:
    """Seconds of an epoch by width, a line for each implementation and depth."""
    timings = _timings(measurements)
    kinds = dict.fromkeys((setting.implementation, setting.network.depth) for setting in timings)
    lines = [
        LevelLine(f"{NAMES[implementation]}, {plural(depth, 'layer')}", _by_width(timings, implementation, depth))
        for implementation, depth in kinds
    ]
    widths = tuple(sorted({setting.network.width for setting in timings}))
    x = Axis("hidden_units", choices=widths, log=True)
    note = f"fused: seconds for each of {NETWORKS} networks" if any(name == "fused" for name, _ in kinds) else ""
    return levels_figure(measurements[EPOCHS].sweep, "Time of an epoch by width", x, lines, note, log_y=True)


def ratio_figure(measurements: Measurements) -> go.Figure:
    """How many times as long each implementation takes as the one from scratch, by the network's parameters."""
    timings, data = _timings(measurements), measurements[EPOCHS]
    lines = []
    for implementation in ("concise", "compiled", "fused"):
        points = [
            (_parameters(data, network), value)
            for network in sorted(_networks(timings), key=lambda network: _parameters(data, network))
            if (value := _ratio(timings, network, implementation, "scratch")) is not None
        ]
        lines.append(RatioLine(NAMES[implementation], points))
    title = "Time of an epoch, as a multiple of the time from scratch"
    return ratios_figure(data.sweep, title, Axis("weights and biases", log=True), lines, "bars: 95 % confidence")


# ---- what was timed


def _timings(measurements: Measurements) -> Timings:
    trials = [trial for data in measurements.values() for trial in data.trials]
    timings = Timings({setting: level for setting, level in levels(trials, _setting).items() if level.n})
    timings.disturbed = disturbed_settings(trials, _setting)
    return timings


def _setting(trial: TrialRow) -> Setting:
    params = TASKS["time_training"].complete(trial.params)
    return Setting(str(params["implementation"]), Network(int(params["depth"]), int(params["hidden_units"])))


def _networks(timings: Timings) -> list[Network]:
    return sorted({setting.network for setting in timings})


def _by_width(timings: Timings, implementation: str, depth: int) -> list[tuple[object, Level[Any]]]:
    chosen_timings = {
        setting.network.width: level
        for setting, level in timings.items()
        if (setting.implementation, setting.network.depth) == (implementation, depth)
    }
    return sorted(chosen_timings.items())


def _compared(timings: Timings) -> list[Network]:
    """The networks that were timed both from scratch and by the framework."""
    return [n for n in _networks(timings) if {Setting("scratch", n), Setting("concise", n)} <= timings.keys()]


def _reference(timings: Timings) -> Network | None:
    """The book's network, else the widest one of the fewest layers; None where there is nothing to compare."""
    compared = _compared(timings)
    book = Network(1, BOOK_WIDTH)
    return book if book in compared else max(compared, key=lambda n: (-n.depth, n.width), default=None)


def _ratio(timings: Timings, network: Network, first: str, second: str) -> Ratio | None:
    settings = Setting(first, network), Setting(second, network)
    if not timings.keys() >= {*settings}:
        return None
    value = ratio(timings[settings[0]], timings[settings[1]])
    return value and replace(value, disturbed=not timings.disturbed.isdisjoint(settings))


def _parameters(data: SweepData, network: Network) -> int:
    return MLPConfig((network.width,) * network.depth).parameter_count(*DATASETS[data.sweep.dataset].shape)


def _shape(network: Network) -> str:
    """`256 units in 1 hidden layer`."""
    return (
        f"{network.width:,} units in {'each of ' if network.depth > 1 else ''}{plural(network.depth, 'hidden layer')}"
    )


# ---- findings


def _sentence(timings: Timings, reference: Network, value: Ratio, data: SweepData) -> str:
    head = (
        f"With {_shape(reference)}, an epoch by the framework takes {times(value)} as long as from scratch: "
        f"{ratio_verdict(value)}"
    )
    return f"{head}. {' '.join(finding.text for finding in _size_findings(timings, data))}".strip()


def _ratio_finding(name: str, timings: Timings, network: Network, first: str, second: str) -> Finding:
    value = _ratio(timings, network, first, second)
    assert value is not None
    seconds = [f"{spread(timings[Setting(name, network)], SECONDS)} {NAMES[name]}" for name in (first, second)]
    text = (
        f"With {_shape(network)}, an epoch takes {' and '.join(seconds)}: {times(value)} as long, "
        f"{ratio_verdict(value)}."
    )
    settings = {"implementation": first, "hidden_units": network.width, "depth": network.depth}
    return Finding(name, text, value.estimate, value.interval, value.n, "times", settings)


def _size_findings(timings: Timings, data: SweepData) -> list[Finding]:
    """How the ratio changes from the smallest network to the largest."""
    networks = sorted(_compared(timings), key=lambda network: _parameters(data, network))
    if len(networks) < 2:
        return []
    small, large = networks[0], networks[-1]
    ratios = [_ratio(timings, network, "concise", "scratch") for network in (small, large)]
    assert ratios[0] is not None
    assert ratios[1] is not None
    change = quotient(ratios[0], ratios[1])
    sizes = [f"{_parameters(data, network):,}" for network in (small, large)]
    text = (
        f"From {sizes[0]} to {sizes[1]} parameters the framework goes from {ratios[0].estimate:.2f} to "
        f"{ratios[1].estimate:.2f} times the time from scratch; that it changes is {ratio_verdict(change)}."
    )
    return [Finding("change_with_size", text, change.estimate, change.interval, change.n, "times")]


def _optional(timings: Timings, reference: Network, implementation: str, data: SweepData) -> list[Finding]:
    """What another implementation takes beside the framework, or why that is not known."""
    networks = [n for n in _compared(timings) if Setting(implementation, n) in timings]
    if networks:
        network = reference if reference in networks else networks[-1]
        return [_ratio_finding(f"{implementation}_to_concise", timings, network, implementation, "concise")]
    reason = failures_text([trial for trial in data.trials if _setting(trial).implementation == implementation])
    if not reason:
        return []
    return [Finding(f"{implementation}_to_concise", f"Not measured {NAMES[implementation]}: {reason}", unit="times")]


def _seconds_finding(timings: Timings, network: Network, implementation: str) -> Finding:
    level = timings[Setting(implementation, network)]
    text = f"{NAMES[implementation].capitalize()}: {spread(level, SECONDS)} an epoch, {plural(level.n, 'repeat')}."
    settings = {"implementation": implementation, "hidden_units": network.width, "depth": network.depth}
    return Finding(f"seconds_{implementation}", text, level.mean, level.interval, level.n, "s", settings)


def _certainty(timings: Timings) -> str:
    compared = [(network, _ratio(timings, network, "concise", "scratch")) for network in _compared(timings)]
    clear = [value for _, value in compared if value is not None and value.is_clear]
    slower = sum(value.estimate > 1 for value in clear)
    return (
        f"Of {plural(len(compared), 'network')}, the framework is clearly slower in {slower}, clearly faster in "
        f"{len(clear) - slower}, and not clearly either in {len(compared) - len(clear)}."
    )


def _caveats(measurements: Measurements) -> list[str]:
    data = measurements[EPOCHS]
    trials = [trial for item in measurements.values() for trial in item.trials]
    counts = sorted({epoch_examples(trial.params, DATASETS[data.sweep.dataset]) for trial in trials})
    return [
        f"An epoch is {' or '.join(f'{count:,}' for count in counts)} images here. In the time are the order of the "
        "examples, choosing each mini-batch by index, forward, loss, backward and update; out of it are loading, "
        "compiling and validation. There is no DataLoader.",
        f"Fused networks are {NETWORKS} of the same shape that train together; their time is divided by their number.",
        *circumstances_caveats(trials),
        "Each interval has 95 % confidence by itself; among many, some would look clear by luck.",
    ]


def _rows(timings: Timings, data: SweepData) -> Sequence[Sequence[str]]:
    rows = []
    for network in sorted(_networks(timings), key=lambda network: _parameters(data, network)):
        for implementation in NAMES:
            level = timings.get(Setting(implementation, network))
            if level is None:
                continue
            value = _ratio(timings, network, implementation, "scratch")
            rows.append(
                (
                    "-".join([str(network.width)] * network.depth),
                    f"{_parameters(data, network):,}",
                    implementation,
                    score(level.mean, level.std, SECONDS),
                    f"{value.estimate:.2f}" if value else "",
                    runs_of(level),
                )
            )
    return rows


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
    subset="6 networks of up to 256 units, 10,000 images an epoch, 7 repeats",
    whole="8 networks of up to 512 units, 10,000 images an epoch, 9 repeats",
)

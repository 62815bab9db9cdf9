"""Exercise 2: whether one more hidden layer helps, at equal width and at equal size, and from which start."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go

from app.charts.rows import Axis, TrialRow
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.formatting import plural, setting
from app.exercises.answers.comparison import Comparison, compare, points, verdict
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, best_level, levels, levels_at, sound, wins
from app.exercises.answers.wording import chance, judged_on, losses, recipe, runs_of, share, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData, chart_of, training_body
from app.exercises.figures import LevelLine, levels_figure

UNITS = {"quick": 128, "full": 256}
DEPTHS = {"quick": 3, "full": 4}
EPOCHS = {"quick": 5, "full": 10}
SEEDS = {"quick": 3, "full": 5}
SWEEP = "depth"
SCRATCH = "normal"  # the book's own start: normal with standard deviation 0.01

Kind = Literal["equal width", "equal size"]


class Network(NamedTuple):
    """A network of the comparison."""

    depth: int
    kind: Kind  # one hidden layer is of both kinds, and has the first
    initialization: str


Networks = Mapping[Network, Level[Network]]


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
    networks = levels(data.trials, lambda trial: _network(data, trial))
    single, double = networks.get(_default(1)), networks.get(_default(2))
    comparison = compare(double, single) if single and double else None
    if comparison is None or single is None or double is None:
        return None
    return Answer(
        sentence=_sentence(comparison, networks),
        findings=[
            _layer_finding("second_layer", "at equal width", comparison, double),
            *_equal_size_findings(networks, single),
            *_scratch_findings(data, networks),
            *_first_layer_findings(networks, single),
        ],
        certainty=_certainty(networks),
        caveats=_caveats(data, networks),
        header=("hidden layers", "initialization", "validation", "std", "training", "runs", "parameters"),
        rows=_rows(data, networks),
        best_row=_best_row(networks),
    )


def depth_figure(measurements: Measurements, *, close: bool = False) -> go.Figure:
    """Accuracy by the number of hidden layers, a line for each kind of network and initialisation."""
    data = measurements[SWEEP]
    networks = levels(data.trials, lambda trial: _network(data, trial))
    lines = []
    for kind, initialization in product(("equal width", "equal size"), ("default", SCRATCH)):
        single = _of(networks, "equal width", initialization).get(1)  # of both kinds
        by_depth = ({} if single is None else {1: single}) | _of(networks, kind, initialization)
        lines.append(LevelLine(f"{kind}, {initialization}", sorted(by_depth.items())))
    deepest = max((network.depth for network in networks), default=0)
    return levels_figure(
        data.sweep,
        "Validation accuracy by number of hidden layers",
        Axis("hidden layers", choices=tuple(range(deepest + 1))),
        lines,
        "0 layers: softmax regression; normal: standard deviation 0.01",
        close=close,
    )


# ---- networks


def _network(data: SweepData, trial: TrialRow) -> Network | None:
    widths = trial.params.get("hidden_layers")
    if not isinstance(widths, list):
        return None
    width = _width(data)
    kind: Kind = "equal width" if len(widths) < 2 or widths[0] == width else "equal size"
    return Network(len(widths), kind, str(trial.params.get("initialization", "default")))


def _width(data: SweepData) -> int:
    """That of the one hidden layer."""
    choices = data.sweep.axes["hidden_layers"].choices or ()
    return next((int(widths[0]) for widths in choices if isinstance(widths, list) and len(widths) == 1), 0)


def _default(depth: int, kind: Kind = "equal width") -> Network:
    return Network(depth, kind, "default")


def _of(networks: Networks, kind: str, initialization: str) -> dict[int, Level[Network]]:
    """By depth."""
    return {
        network.depth: level
        for network, level in networks.items()
        if (network.kind, network.initialization) == (kind, initialization)
    }


# ---- findings


def _sentence(comparison: Comparison, networks: Networks) -> str:
    head = f"A second hidden layer brings {points(comparison)}: {verdict(comparison)}"
    worse = _worse_depths(networks)
    if not worse:
        return f"{head}."
    return f"{head}. Started from scratch (normal, standard deviation 0.01), {_from(worse)} do clearly worse."


def _from(depths: list[int]) -> str:
    return f"networks of {plural(depths[0], 'hidden layer')}{' or more' if len(depths) > 1 else ''}"


def _worse_depths(networks: Networks) -> list[int]:
    """The depths, up to the deepest, at which the start from scratch is clearly worse than the default."""
    default, scratch = (_of(networks, "equal width", name) for name in ("default", SCRATCH))
    worse: list[int] = []
    for depth in sorted(default.keys() & scratch.keys(), reverse=True):
        comparison = compare(scratch[depth], default[depth])
        if comparison is None or not comparison.is_clear or comparison.difference.estimate > 0:
            break
        worse.insert(0, depth)
    return worse


def _layer_finding(name: str, how: str, comparison: Comparison, level: Level[Network]) -> Finding:
    difference = comparison.difference
    text = (
        f"A second hidden layer {how}: {spread(level)} after it, {points(comparison)} than with one layer; that is "
        f"{verdict(comparison)}."
    )
    settings = {"depth": 2, "initialization": "default"}
    return Finding(name, text, difference.estimate, difference.interval, difference.n, "accuracy", settings)


def _equal_size_findings(networks: Networks, single: Level[Network]) -> list[Finding]:
    double = networks.get(_default(2, "equal size"))
    comparison = compare(double, single) if double else None
    if double is None or comparison is None:
        return []
    return [_layer_finding("second_layer_equal_size", "of as many parameters in all", comparison, double)]


def _scratch_findings(data: SweepData, networks: Networks) -> list[Finding]:
    """How the start from scratch does in the deepest network."""
    default, scratch = (_of(networks, "equal width", name) for name in ("default", SCRATCH))
    depth = max(default.keys() & scratch.keys(), default=0)
    comparison = compare(scratch[depth], default[depth]) if depth else None
    if comparison is None:
        return []
    level = scratch[depth]
    at_chance = sum(value < chance(data.sweep) for value in level.values.values())
    text = (
        f"With {plural(depth, 'hidden layer')}, weights drawn from a normal distribution of standard deviation 0.01 "
        f"reach {spread(level)}, {points(comparison)} than the default start: {verdict(comparison)}. "
        f"{share(at_chance, level.n).capitalize()} stayed at chance."
    )
    difference = comparison.difference
    settings = {"depth": depth, "initialization": SCRATCH}
    return [Finding("from_scratch", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


def _first_layer_findings(networks: Networks, single: Level[Network]) -> list[Finding]:
    softmax = networks.get(_default(0))
    comparison = compare(single, softmax) if softmax else None
    if softmax is None or comparison is None:
        return []
    difference = comparison.difference
    text = f"Without a hidden layer it is {spread(softmax)}; the first one brings {points(comparison)}."
    return [
        Finding("first_layer", text, difference.estimate, difference.interval, difference.n, "accuracy", {"depth": 1})
    ]


def _certainty(networks: Networks) -> str:
    best = best_level(networks)
    if best is None or best.n < 2:
        return "One run each: without more seeds nobody can say how much of this is luck."
    won, seeds = wins(networks, best)
    return f"Of all networks tried, {_name(best.setting)} is best in {won} of {seeds} seeds: {spread(best)}."


def _name(network: Network) -> str:
    return f"{plural(network.depth, 'hidden layer')} ({network.kind}, {network.initialization} start)"


def _caveats(data: SweepData, networks: Networks) -> list[str]:
    settings = recipe(data.trials)
    texts = [
        f"All networks were trained alike{f' ({settings})' if settings else ''}: a deeper one may need another rate or "
        "more epochs.",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
    ]
    return [*texts, *losses(data.trials, {_name(network): level for network, level in networks.items()})]


# ---- the table


def _rows(data: SweepData, networks: Networks) -> list[tuple[str, ...]]:
    shape = DATASETS[data.sweep.dataset].shape
    params = {network: trial.params for trial in data.trials if (network := _network(data, trial)) is not None}
    numbers = {trial.number: network for trial in data.trials if (network := _network(data, trial)) is not None}
    training = levels_at(data.epochs, numbers, "train_accuracy")
    return [
        (
            setting(params[network]["hidden_layers"]),
            network.initialization,
            f"{level.mean:.4f}" if level.n else "diverged",
            "" if level.std is None else f"{level.std:.4f}",
            f"{training[network].mean:.4f}" if network in training else "",
            runs_of(level),
            f"{MLPConfig.from_params(params[network]).parameter_count(*shape):,}",
        )
        for network, level in networks.items()
    ]


def _best_row(networks: Networks) -> int | None:
    best = best_level(networks)
    return list(networks).index(best.setting) if best in sound(networks).values() and best else None


HIDDEN_LAYERS = Exercise(
    number=2,
    title="One hidden layer more",
    question="Add another hidden layer. How does that change the results?",
    parts=("Accuracy with one hidden layer more",),
    sweeps=sweeps,
    charts=(
        ExerciseChart("depth", "Accuracy by number of hidden layers", depth_figure),
        ExerciseChart("close-up", "The same, close up", lambda data: depth_figure(data, close=True)),
        ExerciseChart("curves", "Learning curves", chart_of(SWEEP, "curves")),
    ),
    answer=answer,
    subset="128 units, up to 3 hidden layers, 5 epochs, 3 seeds",
    whole="256 units, up to 4 hidden layers, 10 epochs, 5 seeds",
    needs=frozenset({"epochs"}),
    scored=(SWEEP,),
)

"""Exercise 3: why a hidden layer of one neuron is a bad idea, and what goes wrong in it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.registry import chart
from app.charts.rows import Axis, DiagnosticsRow, TrialRow
from app.charts.theme import PALETTE, new_figure
from app.charts.titles import subtitle
from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.exercises.answers.comparison import Comparison, compare, points, verdict
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs, median
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.shares import share_interval, share_text
from app.exercises.answers.wording import chance, judged_on, losses, recipe, runs_of, share, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData, chart_of
from app.exercises.figures import LevelLine, levels_figure

ONE, ALONE, WIDTHS = "one", "alone", "widths"
OUTER = {"quick": 64, "full": 128}
BOTTLENECKS = {"quick": (2, 8, 64), "full": tuple(2**k for k in range(1, 8))}
ACTIVATIONS = {"quick": ("relu", "tanh"), "full": ("relu", "tanh", "sigmoid")}
LADDER_ACTIVATIONS = ("relu", "tanh")
EPOCHS = {"quick": 4, "full": 10}
SEEDS = {"quick": {ONE: 10, ALONE: 10, WIDTHS: 5}, "full": {ONE: 20, ALONE: 20, WIDTHS: 5}}
PLACES = {ONE: "between two layers", ALONE: "as the only hidden layer"}
BOOK = "relu"
NEXT_TO_NOTHING = 0.02  # of accuracy
MIDDLE_HALF, MIDDLE_90 = (1, 3), (0, 4)  # of the quantiles 5, 25, 50, 75 and 95 %

Outcome = Literal["learns", "dead", "alive at chance"]
OUTCOMES: Mapping[Outcome, str] = {
    "learns": "better than chance",
    "alive at chance": "at chance, the neuron alive",
    "dead": "at chance, the neuron dead",
}


class Network(NamedTuple):
    """A network of the comparison."""

    bottleneck: int
    activation: str
    alone: bool = False  # whether it is the only hidden layer


Networks = Mapping[Network, Level[Network]]


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
    return {
        "name": f"Exercise 3: {name} ({preset})",
        "dataset": "fashion_mnist",
        "space": {
            "hidden_layers": layers,
            "activation": list(activations),
            "learning_rate": 0.1,
            "epochs": EPOCHS[preset],
            "batch_size": 256,
        },
        "sampler": "grid",
        "seeds": SEEDS[preset][sweep],
        "split": "holdout",
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        "diagnostics": True,
    }


def answer(measurements: Measurements) -> Answer | None:
    """What one neuron costs, how many runs stay at chance, and what was measured in those."""
    networks = _networks(measurements)
    narrowest, widest = networks.get(Network(1, BOOK)), _widest(networks)
    comparison = compare(narrowest, widest) if narrowest and widest else None
    runs = {place: diagnosed_runs(measurements[place]) for place in PLACES}
    if comparison is None or narrowest is None or widest is None or not runs[ONE]:
        return None
    data = measurements[ONE]
    of_book, of_others = _chance_findings(measurements, runs)
    return Answer(
        sentence=_sentence(comparison, data, runs),
        findings=[
            _cost_finding(comparison, narrowest, widest),
            *of_book,
            *_separation_findings(data, runs[ONE]),
            *_answers_findings(measurements, runs[ONE]),
            *_enough_findings(networks, widest),
            *_behind_findings(measurements),
            *of_others,
        ],
        certainty=_certainty(runs[ONE]),
        caveats=_caveats(data, networks),
        header=("bottleneck", "activation", "validation", "std", "runs", "at chance", "neurons dead", "answers"),
        rows=_rows(measurements, networks),
    )


# ---- networks and runs


def _networks(measurements: Measurements) -> Networks:
    """The networks of both sweeps, narrow first."""
    all_levels: dict[Network, Level[Network]] = {}
    for data in measurements.values():
        all_levels |= levels(data.trials, _network)
    return dict(sorted(all_levels.items(), key=lambda item: (item[0].bottleneck, item[0].activation != BOOK, item[0])))


def _network(trial: TrialRow) -> Network | None:
    layers = trial.params.get("hidden_layers")
    if not isinstance(layers, list) or len(layers) not in (1, 3):
        return None
    return Network(int(layers[len(layers) // 2]), str(trial.params.get("activation", BOOK)), len(layers) == 1)


def _widest(networks: Networks) -> Level[Network] | None:
    wider = [level for network, level in networks.items() if network.activation == BOOK and network.bottleneck > 1]
    return wider[-1] if wider else None


def outcome(data: SweepData, run: DiagnosedRun) -> Outcome:
    """Whether a run learned, and if not whether all neurons of its bottleneck are dead after its last epoch."""
    if run.value >= chance(data.sweep):
        return "learns"
    return "dead" if _middle(run.last) == 1 else "alive at chance"


def _middle(row: DiagnosticsRow) -> float:
    """The share of dead neurons in the middle one of its hidden layers."""
    return row.dead_share[len(row.dead_share) // 2]


def _by_activation(runs: Sequence[DiagnosedRun]) -> dict[str, list[DiagnosedRun]]:
    by_activation: defaultdict[str, list[DiagnosedRun]] = defaultdict(list)
    for run in runs:
        by_activation[str(run.trial.params.get("activation", BOOK))].append(run)
    return dict(sorted(by_activation.items(), key=lambda item: item[0] != BOOK))


# ---- findings


def _sentence(comparison: Comparison, data: SweepData, runs: Mapping[str, Sequence[DiagnosedRun]]) -> str:
    head = f"One neuron in the middle costs {points(comparison).replace(' less', '', 1)}"
    if comparison.difference.estimate >= 0:
        head = f"One neuron in the middle brings {points(comparison)}"
    parts = []
    for place, own_runs in runs.items():
        of_book = _by_activation(own_runs).get(BOOK, [])
        dead = sum(outcome(data, run) == "dead" for run in of_book)
        stuck = sum(outcome(data, run) != "learns" for run in of_book)
        cause = f" ({'all' if dead == stuck else dead or 'none'} of these with a dead neuron)" if stuck else ""
        parts += [f"{PLACES[place]} {share(stuck, len(of_book))}{cause}"] if of_book else []
    return f"{head}: {verdict(comparison)}. With ReLU these stayed at chance: {', '.join(parts)}."


def _cost_finding(comparison: Comparison, narrowest: Level[Network], widest: Level[Network]) -> Finding:
    difference = comparison.difference
    text = (
        f"With ReLU a bottleneck of one neuron reaches {spread(narrowest)} ({plural(narrowest.n, 'run')}), one of "
        f"{widest.setting.bottleneck} {spread(widest)} ({plural(widest.n, 'run')}). At the seeds that both have "
        f"it is {points(comparison)}, {verdict(comparison)}."
    )
    settings = {"bottleneck": 1, "activation": BOOK}
    return Finding("cost", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)


def _chance_findings(
    measurements: Measurements, runs: Mapping[str, Sequence[DiagnosedRun]]
) -> tuple[list[Finding], list[Finding]]:
    """How many runs stay at chance and what was measured in them, of ReLU, and of the other activations."""
    of_book: list[Finding] = []
    of_others: list[Finding] = []
    for place, own_runs in runs.items():
        for activation, group in _by_activation(own_runs).items():
            finding = _chance_finding(measurements[place], place, activation, group)
            (of_book if activation == BOOK else of_others).append(finding)
    return of_book, of_others


def _chance_finding(data: SweepData, place: str, activation: str, runs: Sequence[DiagnosedRun]) -> Finding:
    stuck = [run for run in runs if outcome(data, run) != "learns"]
    count, total = len(stuck), len(runs)
    head = f"One neuron {PLACES[place]}, {activation}: {share_text(count, total)} stayed at chance."
    text = f"{head} {_cause(data, stuck, runs)}".strip()
    name = f"at_chance_{activation}" if place == ONE else f"at_chance_{activation}_{place}"
    settings = {"bottleneck": 1, "activation": activation}
    return Finding(name, text, count / total, share_interval(count, total), total, "share of runs", settings)


def _cause(data: SweepData, stuck: Sequence[DiagnosedRun], runs: Sequence[DiagnosedRun]) -> str:
    """What the diagnostics of the runs at chance say."""
    texts = []
    dead = [run for run in stuck if outcome(data, run) == "dead"]
    if dead:
        born = sum(_middle(run.first) == 1 for run in dead)
        same = sum(run.last.distinct_outputs == 1 for run in dead)
        texts.append(
            f"In {len(dead)} of them the neuron is dead after the last epoch (in {born or 'none'} it was so before the "
            f"first step): it says the same for every image, {share(same, len(dead), 'network')} gave every image the "
            f"same answer, and the gradient of the first layer is {_size([run.last.gradient_rms[0] for run in dead])}."
        )
    alive = [run for run in stuck if outcome(data, run) == "alive at chance"]
    if alive:
        learning = [run for run in runs if outcome(data, run) == "learns"]
        beside = f", and {_size([run.last.gradient_rms[0] for run in learning])} in runs that learn" if learning else ""
        texts.append(
            f"In {len(alive)} the neuron is alive, and the gradient of the first layer, in the middle of these runs, "
            f"{_size([run.last.gradient_rms[0] for run in alive])}{beside}; at the start it was "
            f"{_size([run.first.gradient_rms[0] for run in alive])}."
        )
    return " ".join(texts)


def _size(sizes: Sequence[float | None]) -> str:
    """The median of root mean squares."""
    numbers = [size for size in sizes if size is not None]
    if not numbers:
        return "not finite"
    middle = median(numbers)
    return "0" if middle == 0 else f"{middle:.1g}"


def _separation_findings(data: SweepData, runs: Sequence[DiagnosedRun]) -> list[Finding]:
    """How many pairs of classes one number does not keep apart, in runs that learn."""
    learning = [run for run in runs if outcome(data, run) == "learns"]
    if not learning:
        return []
    halves, most = ([overlapping_pairs(run, part) for run in learning] for part in (MIDDLE_HALF, MIDDLE_90))
    classes = DATASETS[data.sweep.dataset].classes
    text = (
        f"Behind the neuron all there is of an image is one number. Of the {classes * (classes - 1) // 2} pairs of "
        f"classes {_mean(halves)} overlap in it with their middle halves, and {_mean(most)} with their middle 90 % "
        f"(mean ± std over the {plural(len(learning), 'run')} that learn)."
    )
    level = _level(most)
    return [
        Finding("overlapping_pairs", text, level.mean, level.interval, level.n, "pairs of classes", {"bottleneck": 1})
    ]


def overlapping_pairs(run: DiagnosedRun, part: tuple[int, int]) -> int:
    """Pairs of classes that overlap in what the neuron gives: ReLU makes the same 0 of all that is negative.

    `part`: from which quantile to which. The other activations keep the order of what they are given.
    """
    is_relu = run.trial.params.get("activation", BOOK) == BOOK
    ranges = []
    for quantiles in run.last.bottleneck or ():
        numbers = [number for number in quantiles if number is not None]
        if len(numbers) == len(quantiles):  # of a class that the sample has
            bounds = numbers[part[0]], numbers[part[1]]
            ranges.append((max(bounds[0], 0.0), max(bounds[1], 0.0)) if is_relu else bounds)
    return sum(first[0] <= second[1] and second[0] <= first[1] for first, second in combinations(ranges, 2))


def _answers_findings(measurements: Measurements, runs: Sequence[DiagnosedRun]) -> list[Finding]:
    """How many classes networks predict at all, with one neuron and with the widest bottleneck."""
    relu_runs = _by_activation(runs).get(BOOK, [])
    if not relu_runs:
        return []
    level = _level([run.last.predicted_classes for run in relu_runs])
    wide_runs = _widest_runs(measurements)
    beside = f"; with {_bottleneck(wide_runs[0])} they predict {_classes(wide_runs)}" if wide_runs else ""
    text = f"With one ReLU neuron the networks predict {_classes(relu_runs)} for at least one image{beside}."
    return [Finding("predicted_classes", text, level.mean, level.interval, level.n, "classes", {"bottleneck": 1})]


def _widest_runs(measurements: Measurements) -> list[DiagnosedRun]:
    runs = _by_activation(diagnosed_runs(measurements[WIDTHS])).get(BOOK, []) if WIDTHS in measurements else []
    return [run for run in runs if _bottleneck(run) == max(map(_bottleneck, runs))]


def _bottleneck(run: DiagnosedRun) -> int:
    network = _network(run.trial)
    return network.bottleneck if network else 0


def _classes(runs: Sequence[DiagnosedRun]) -> str:
    counts = [run.last.predicted_classes for run in runs]
    return f"{_mean(counts)} classes (mean ± std, {plural(len(counts), 'run')})"


def _enough_findings(networks: Networks, widest: Level[Network]) -> list[Finding]:
    """The smallest bottleneck of which the interval says that it loses next to nothing against the widest."""
    between = [level for network, level in networks.items() if network.activation == BOOK and not network.alone]
    widths = [level for level in between if level.n and level != widest]
    for level in widths:
        comparison = compare(level, widest)
        interval = comparison.difference.interval if comparison else None
        if comparison is None or interval is None or interval[0] < -NEXT_TO_NOTHING:
            continue
        width = level.setting.bottleneck
        text = (
            f"The smallest bottleneck that surely loses less than {100 * NEXT_TO_NOTHING:g} percentage points against "
            f"{widest.setting.bottleneck} is {width}: {spread(level)}, {points(comparison)}."
        )
        settings, difference = {"bottleneck": width, "activation": BOOK}, comparison.difference
        return [Finding("enough", text, difference.estimate, interval, difference.n, "accuracy", settings)]
    text = (
        f"At {plural(widest.n, 'seed')} it is not clear of any narrower bottleneck that it loses less than "
        f"{100 * NEXT_TO_NOTHING:g} percentage points against {widest.setting.bottleneck}."
    )
    return [Finding("enough", text, n=widest.n)] if widths else []


def _behind_findings(measurements: Measurements) -> list[Finding]:
    """How many neurons are dead in the layer that reads the one number."""
    relu_runs = _by_activation(diagnosed_runs(measurements[ONE])).get(BOOK, [])
    wide_runs = _widest_runs(measurements)
    if not relu_runs or not wide_runs:
        return []
    level = _level([run.last.dead_share[2] for run in relu_runs])
    wide = _level([run.last.dead_share[2] for run in wide_runs])
    text = (
        f"In the layer that reads the one number {100 * level.mean:.0f} % of the neurons are dead after the last epoch "
        f"({plural(level.n, 'run')} with ReLU), behind {_bottleneck(wide_runs[0])} neurons {100 * wide.mean:.0f} % "
        f"({plural(wide.n, 'run')})."
    )
    return [Finding("dead_behind", text, level.mean, level.interval, level.n, "share of neurons", {"bottleneck": 1})]


def _level(values: Sequence[float]) -> Level[str]:
    return Level("", dict(enumerate(map(float, values))))


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _certainty(runs: Sequence[DiagnosedRun]) -> str:
    counts = ", ".join(f"{activation} {len(own)}" for activation, own in _by_activation(runs).items())
    return (
        f"Runs with one neuron: {counts}. Intervals of shares are Wilson's; causes are read from what was measured in "
        "each run."
    )


def _caveats(data: SweepData, networks: Networks) -> list[str]:
    settings = recipe(data.trials)
    return [
        "Dead is a neuron whose output varies by less than 0.01 over 1,000 held-out images and whose activation has a "
        "slope below 0.001 for each of them; a slower learner may only need more epochs or another rate.",
        f"All networks were trained alike{f' ({settings})' if settings else ''}.",
        judged_on(data.sweep),
        *losses(data.trials, {_name(network): level for network, level in networks.items()}),
    ]


def _name(network: Network) -> str:
    return f"{plural(network.bottleneck, 'neuron')} ({network.activation}{', alone' if network.alone else ''})"


# ---- table and figures


def _rows(measurements: Measurements, networks: Networks) -> list[tuple[str, ...]]:
    runs: defaultdict[Network, list[tuple[SweepData, DiagnosedRun]]] = defaultdict(list)
    for data in measurements.values():
        for run in diagnosed_runs(data):
            if (network := _network(run.trial)) is not None:
                runs[network].append((data, run))
    return [_cells(network, level, runs[network]) for network, level in networks.items()]


def _cells(network: Network, level: Level[Network], runs: Sequence[tuple[SweepData, DiagnosedRun]]) -> tuple[str, ...]:
    at_chance = sum(outcome(data, run) != "learns" for data, run in runs)
    dead = fmean(_middle(run.last) for _, run in runs) if runs else None
    return (
        f"{network.bottleneck}{', alone' if network.alone else ''}",
        network.activation,
        f"{level.mean:.4f}" if level.n else "diverged",
        "" if level.std is None else f"{level.std:.4f}",
        runs_of(level),
        f"{at_chance} of {len(runs)}" if runs else "",
        "" if dead is None else f"{100 * dead:.0f} %",
        f"{median([run.last.distinct_outputs for _, run in runs]):g}" if runs else "",
    )


def accuracy_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by the width of the bottleneck, a line for each activation."""
    networks = _networks(measurements)
    points_by_line: defaultdict[str, list[tuple[object, Level[Network]]]] = defaultdict(list)
    for network, level in networks.items():
        name = f"{network.activation}{', the only hidden layer' if network.alone else ''}"
        points_by_line[name].append((network.bottleneck, level))
    choices = tuple(dict.fromkeys(network.bottleneck for network in networks))
    axis = Axis("neurons in the middle", log=True, choices=choices)
    lines = [LevelLine(name, own_points) for name, own_points in points_by_line.items()]
    return levels_figure(measurements[ONE].sweep, "Validation accuracy by width of the bottleneck", axis, lines)


def outcomes_figure(measurements: Measurements) -> go.Figure:
    """For each place and activation, how many runs with one neuron learn, and of which the neuron is dead."""
    data, groups = measurements[ONE], _groups(measurements)
    title, text = "What becomes of runs with one neuron", subtitle(data.sweep, "dead: as measured after the last epoch")
    if not groups:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    for (kind, name), color in zip(OUTCOMES.items(), (PALETTE[2], PALETTE[4], PALETTE[1]), strict=True):
        counts = [sum(outcome(data, run) == kind for run in runs) for runs in groups.values()]
        figure.add_bar(x=list(groups), y=counts, name=name, marker_color=color)
    figure.update_layout(barmode="stack").update_yaxes(title_text="runs").update_xaxes(type="category")
    return figure


def number_figure(measurements: Measurements) -> go.Figure:
    """What the one neuron holds of each class, in the first run of each place, activation and outcome."""
    data = measurements[ONE]
    runs: dict[str, DiagnosedRun] = {}
    for name, own_runs in _groups(measurements).items():
        for run in own_runs:
            kind = outcome(data, run)
            runs.setdefault(name if kind == "learns" else f"{name}, {kind}", run)
    trials = [run.trial._replace(number=i, params={"run": name}) for i, (name, run) in enumerate(runs.items())]
    rows = [run.last._replace(trial=i) for i, run in enumerate(runs.values())]
    return chart("diagnostics").figure(replace(data.sweep, best=None), trials, rows, {"measure": "bottleneck"})


def _groups(measurements: Measurements) -> dict[str, list[DiagnosedRun]]:
    """The runs with one neuron by place and activation: `relu`, and `relu, alone`."""
    return {
        activation + (", alone" if place == ALONE else ""): runs
        for place in PLACES
        for activation, runs in _by_activation(diagnosed_runs(measurements[place])).items()
    }


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
        ExerciseChart("dead", "Dead neurons by layer", chart_of(WIDTHS, "diagnostics", measure="dead")),
        ExerciseChart("gradients", "Gradients with one neuron", chart_of(ONE, "diagnostics", measure="gradients")),
    ),
    answer=answer,
    subset="networks 64-b-64, not 128-b-128, 4 of 8 widths b, 2 of 3 activations, 4 of 10 epochs, 10 of 20 seeds",
    whole="networks 128-b-128, b from 1 to 128, 3 activations, 10 epochs, 20 seeds of one neuron and 5 of wider ones, "
    "and one neuron as the only hidden layer",
    needs=frozenset({"diagnostics"}),
)

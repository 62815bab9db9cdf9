"""Exercise 9: whether it matters how weights are initialized, at which depth, and after how many epochs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.registry import chart
from app.charts.rows import Axis, TrialRow
from app.domain.configuration import INITIALIZATIONS
from app.domain.formatting import number, plural, setting
from app.exercises.answers.comparison import Comparison, compare, points, signed, verdict
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs, median
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, best_level, levels, levels_at
from app.exercises.answers.shares import share_interval
from app.exercises.answers.wording import chance, judged_on, losses, recipe, runs_of, share, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData
from app.exercises.figures import LevelLine, levels_figure

NAMED, SCALES = "named", "scales"
UNITS = {"quick": 64, "full": 128}
DEPTHS = (1, 4)
STDS = (0.001, 0.01, 0.1, 1.0)
EPOCHS = {"quick": 3, "full": 10}
SEEDS = {"quick": 3, "full": 5}
DEFAULT, ZEROS = "default", "zeros"
# the last two are of the first pass: how large outputs are from the first hidden layer to the last, and the gradient
HEADER = ("layers", "initialization", "after 1 epoch", "at the end", "std", "runs", "first pass", "its gradient")


class Start(NamedTuple):
    """A network and how it begins."""

    depth: int
    name: str  # an initialization, or of `normal` its standard deviation


Starts = Mapping[Start, Level[Start]]


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """All initializations as they are, and the normal one in four scales, each in a shallow and a deep network."""
    return {
        NAMED: _body(preset, "initializations", {"initialization": list(INITIALIZATIONS)}),
        SCALES: _body(preset, "scales", {"initialization": "normal", "init_std": list(STDS)}),
    }


def _body(preset: Preset, name: str, space: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"Exercise 9: {name} ({preset})",
        "dataset": "fashion_mnist",
        "space": {
            "hidden_layers": [[UNITS[preset]] * depth for depth in DEPTHS],
            **space,
            "learning_rate": 0.1,
            "epochs": EPOCHS[preset],
            "batch_size": 256,
        },
        "sampler": "grid",
        "seeds": SEEDS[preset],
        "split": "holdout",
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        "diagnostics": True,
    }


def answer(measurements: Measurements) -> Answer | None:
    """Which initializations differ clearly from the default, at which depth, and what the first pass says of it."""
    data, scales = measurements[NAMED], measurements[SCALES]
    starts = levels(data.trials, _named_start)
    depths = [depth for depth in _depths(starts) if Start(depth, DEFAULT) in starts]
    if not any(_comparisons(starts, depth) for depth in depths):
        return None
    return Answer(
        sentence=_sentence(data, starts, depths),
        findings=[
            *(finding for depth in reversed(depths) for finding in _difference_findings(data, starts, depth)),
            *_first_pass_findings(measurements),
            *_zeros_findings(data),
            *(finding for depth in depths for finding in _scale_findings(scales, depth)),
        ],
        certainty=_certainty(starts, depths),
        caveats=_caveats(measurements, starts),
        header=HEADER,
        rows=[row for item in (data, scales) for row in _rows(item)],
    )


# ---- starts


def _named_start(trial: TrialRow) -> Start | None:
    layers = trial.params.get("hidden_layers")
    return Start(len(layers), str(trial.params.get("initialization"))) if isinstance(layers, list) else None


def _scaled_start(trial: TrialRow) -> Start | None:
    start = _named_start(trial)
    return start and Start(start.depth, f"normal {setting(trial.params.get('init_std'))}")


def _start(data: SweepData, trial: TrialRow) -> Start | None:
    return _scaled_start(trial) if "init_std" in data.sweep.axes else _named_start(trial)


def _starts_at(data: SweepData, epoch: int | None) -> Starts:
    """The accuracies after an epoch, or after each run's last one."""
    numbers = {trial.number: start for trial in data.trials if (start := _start(data, trial)) is not None}
    return levels_at(data.epochs, numbers, "val_accuracy", epoch)


def _depths(starts: Starts) -> list[int]:
    return sorted({start.depth for start in starts})


def _comparisons(starts: Starts, depth: int) -> dict[str, Comparison]:
    """Each initialization beside the default at equal seeds, but zeros, with which hidden units stay equal."""
    default = starts.get(Start(depth, DEFAULT))
    if default is None:
        return {}
    compared = {
        start.name: compare(level, default)
        for start, level in starts.items()
        if start.depth == depth and start.name not in (DEFAULT, ZEROS)
    }
    return {name: comparison for name, comparison in compared.items() if comparison is not None}


# ---- findings


def _sentence(data: SweepData, starts: Starts, depths: Sequence[int]) -> str:
    parts = []
    for depth in depths:
        comparisons = _comparisons(starts, depth)
        clear = [comparison.difference.estimate for comparison in comparisons.values() if comparison.is_clear]
        better, worse = sum(estimate > 0 for estimate in clear), sum(estimate < 0 for estimate in clear)
        means = [starts[Start(depth, name)].mean for name in (DEFAULT, *comparisons)]
        parts.append(
            f"with {plural(depth, 'hidden layer')} {better or 'none'} of {len(comparisons)} initializations "
            f"{'does' if better == 1 else 'do'} clearly better than the default and {worse or 'none'} clearly worse "
            f"(means {min(means):.4f} to {max(means):.4f})"
        )
    return f"After {_circumstances(data, starts)}, zeros left out: {'; '.join(parts)}."


def _circumstances(data: SweepData, starts: Starts) -> str:
    """`10 epochs and at 5 seeds`."""
    seeds = max((level.n for level in starts.values()), default=0)
    epochs = max((int(str(trial.params.get("epochs", 0))) for trial in data.trials), default=0)
    return f"{plural(epochs, 'epoch')} and at {plural(seeds, 'seed')}"


def _difference_findings(data: SweepData, starts: Starts, depth: int) -> list[Finding]:
    """Which initializations differ from the default after the last epoch, and how many after the first."""
    comparisons = _comparisons(starts, depth)
    if not comparisons:
        return []
    clear = {name: comparison for name, comparison in comparisons.items() if comparison.is_clear}
    worse = {name: item for name, item in clear.items() if item.difference.estimate < 0}
    better = {name: item for name, item in clear.items() if name not in worse}
    unclear = {name: item for name, item in comparisons.items() if name not in clear}
    seeds = max(comparison.difference.n for comparison in comparisons.values())
    early = _comparisons(_starts_at(data, 1), depth).values()
    texts = [
        f"With {plural(depth, 'hidden layer')}, against the default ({spread(starts[Start(depth, DEFAULT)])}), in "
        "percentage points with 95 % intervals, after the last epoch.",
        f"Clearly better: {_differences(better)}." if better else "",
        f"Clearly worse: {_differences(worse)}." if worse else "",
        f"Not clear at {plural(seeds, 'seed')}: {_differences(unclear)}." if unclear else "",
        f"After the first epoch {sum(item.is_clear for item in early) or 'none'} of {len(early)} differ clearly.",
    ]
    name, settings = f"differ_at_depth_{depth}", {"depth": depth}
    return [Finding(name, " ".join(filter(None, texts)), len(clear), None, seeds, "initializations", settings)]


def _differences(comparisons: Mapping[str, Comparison]) -> str:
    """`normal −71.30 (−75.20 to −67.40), uniform −4.10 (−5.90 to −2.30)`, the largest first."""
    ordered = sorted(comparisons.items(), key=lambda item: -abs(item[1].difference.estimate))
    return ", ".join(f"{name} {_points(item)}" for name, item in ordered)


def _points(comparison: Comparison) -> str:
    estimate, interval = comparison.difference.estimate, comparison.difference.interval
    bounds = f" ({signed(100 * interval[0])} to {signed(100 * interval[1])})" if interval else " (one seed)"
    return f"{signed(100 * estimate)}{bounds}"


def _first_pass_findings(measurements: Measurements) -> list[Finding]:
    """What the first pass has measured in runs that stayed at chance and in those that learned, zeros left out."""
    runs = [
        (data, run)
        for data in measurements.values()
        for run in diagnosed_runs(data)
        if run.trial.params.get("initialization") != ZEROS
    ]
    stuck = _gradients(run for data, run in runs if run.value < chance(data.sweep))
    learning = _gradients(run for data, run in runs if run.value >= chance(data.sweep))
    if not stuck or not learning:
        return []
    below = sum(gradient < min(learning) for gradient in stuck)
    text = (
        f"Before the first step the gradient by the first layer's weights is {_range(stuck)} in the "
        f"{plural(len(stuck), 'run')} that stayed at chance, and {_range(learning)} in the {len(learning)} that "
        f"learned (root mean squares): {share(below, len(stuck))} at chance began below all that learned."
    )
    interval = share_interval(below, len(stuck))
    return [Finding("began_below", text, below / len(stuck), interval, len(stuck), "share of runs")]


def _range(sizes: Sequence[float]) -> str:
    return f"{min(sizes):.1g} to {max(sizes):.1g}"


def _gradients(runs: Iterable[DiagnosedRun]) -> list[float]:
    """The sizes of the first layer's gradients before the first step, of those runs where it was a number."""
    return [size for run in runs if (size := run.first.gradient_rms[0]) is not None]


def _zeros_findings(data: SweepData) -> list[Finding]:
    """What zeros come to, and what was measured of them."""
    runs = [run for run in diagnosed_runs(data) if run.trial.params.get("initialization") == ZEROS]
    if not runs:
        return []
    at_chance = sum(run.value < chance(data.sweep) for run in runs)
    without_gradient = sum(all(size == 0 for size in run.last.gradient_rms[:-1]) for run in runs)
    single = sum(run.last.predicted_classes == 1 for run in runs)
    text = (
        f"Zeros: {share(at_chance, len(runs))} stayed at chance. After the last epoch the gradient of every hidden "
        f"layer is exactly 0 in {share(without_gradient, len(runs))}, and {share(single, len(runs))} predicted one "
        "class for every image."
    )
    interval = share_interval(at_chance, len(runs))
    settings = {"initialization": ZEROS}
    return [Finding("zeros_at_chance", text, at_chance / len(runs), interval, len(runs), "share of runs", settings)]


def _scale_findings(data: SweepData, depth: int) -> list[Finding]:
    """Which scale of the normal distribution serves best at a depth, and what the others lose."""
    scales = {start: level for start, level in levels(data.trials, _scaled_start).items() if start.depth == depth}
    best = best_level(scales)
    compared = {
        start.name.removeprefix("normal "): compare(level, best)
        for start, level in scales.items()
        if best is not None and start != best.setting
    }
    if best is None or not any(compared.values()):
        return []
    losses_text = [
        f"{name} has {points(comparison)}, {verdict(comparison)}" for name, comparison in compared.items() if comparison
    ]
    diverged = sum(level.diverged for level in scales.values())
    divergence = f" {plural(diverged, 'run')} diverged." if diverged else ""
    best_std = best.setting.name.removeprefix("normal ")
    text = (
        f"With {plural(depth, 'hidden layer')} the best of {len(scales)} standard deviations is "
        f"{best_std}: {spread(best)} ({plural(best.n, 'run')}); {'; '.join(losses_text)}.{divergence}"
    )
    settings = {"depth": depth, "init_std": float(best_std)}
    name = f"best_scale_at_depth_{depth}"
    return [Finding(name, text, best.mean, best.interval, best.n, "accuracy", settings)]


def _certainty(starts: Starts, depths: Sequence[int]) -> str:
    best = {
        depth: best_level({start: item for start, item in starts.items() if start.depth == depth}) for depth in depths
    }
    texts = [
        f"with {plural(depth, 'hidden layer')} {level.setting.name}: {spread(level)} ({plural(level.n, 'run')})"
        for depth, level in best.items()
        if level is not None
    ]
    return (
        f"The best means are {'; '.join(texts)}. Each difference is that of runs with equal seeds, and clear where its "
        "95 % interval leaves out zero; the best of many is a little lucky."
    )


def _caveats(measurements: Measurements, starts: Starts) -> list[str]:
    data = measurements[NAMED]
    settings = recipe(data.trials, ("epochs", "learning_rate", "batch_size"))
    return [
        f"ReLU networks, all trained alike{f' ({settings})' if settings else ''}: another activation, rate or "
        "normalization may forgive more.",
        "Each comparison has 95 % confidence by itself; among so many, some would look clear by luck.",
        judged_on(data.sweep),
        *losses(
            [trial for item in measurements.values() for trial in item.trials],
            {f"{start.name}, {plural(start.depth, 'layer')}": level for start, level in starts.items()},
        ),
    ]


# ---- table and figures


def _rows(data: SweepData) -> list[tuple[str, ...]]:
    starts = levels(data.trials, lambda trial: _start(data, trial))
    early = _starts_at(data, 1)
    runs: dict[Start, list[DiagnosedRun]] = {}
    for run in diagnosed_runs(data):
        if (start := _start(data, run.trial)) is not None:
            runs.setdefault(start, []).append(run)
    return [_cells(start, level, early.get(start), runs.get(start, [])) for start, level in starts.items()]


def _cells(
    start: Start, level: Level[Start], early: Level[Start] | None, runs: Sequence[DiagnosedRun]
) -> tuple[str, ...]:
    return (
        str(start.depth),
        start.name,
        f"{early.mean:.4f}" if early else "",
        f"{level.mean:.4f}" if level.n else "diverged",
        "" if level.std is None else f"{level.std:.4f}",
        runs_of(level),
        _first_pass(runs),
        number(float(f"{median(gradients):.2g}")) if (gradients := _gradients(runs)) else "",
    )


def _first_pass(runs: Sequence[DiagnosedRun]) -> str:
    """`0.18 to 0.041`: the sizes of the first and the last hidden layer's outputs before the first step, medians."""
    if not runs:
        return ""
    hidden = [run.first.activation_rms[:-1] for run in runs]
    sizes = [median([float(layers[place] or 0) for layers in hidden]) for place in (0, -1)]
    texts = [number(float(f"{size:.2g}")) for size in sizes]
    return texts[0] if len(hidden[0]) == 1 else " to ".join(texts)


def accuracy_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by initialization, for each depth after the first and the last epoch."""
    data = measurements[NAMED]
    figure = levels_figure(
        data.sweep, "Validation accuracy by initialization", Axis("initialization"), _lines(data, lambda name: name)
    )
    # names have no order: lines between them would say nothing
    return figure.update_traces(mode="markers", selector={"mode": "lines+markers"})


def scales_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by the standard deviation of normal weights, for each depth after the first and the last epoch."""
    data = measurements[SCALES]
    lines = _lines(data, lambda name: float(name.removeprefix("normal ")))
    axis = Axis("init_std", log=True, choices=STDS)
    return levels_figure(data.sweep, "Validation accuracy by the scale of normal weights", axis, lines)


def _lines(data: SweepData, place: Any) -> list[LevelLine]:
    """A line for each depth and moment; `place` makes the value of x of a start's name."""
    lines = []
    for name, epoch in (("after 1 epoch", 1), ("after the last epoch", None)):
        starts = _starts_at(data, epoch)
        for depth in _depths(starts):
            own_levels = [(place(start.name), level) for start, level in starts.items() if start.depth == depth]
            lines.append(LevelLine(f"{plural(depth, 'layer')}, {name}", own_levels))
    return sorted(lines, key=lambda line: line.name)


def _deep_chart(sweep: str, name: str, **options: str) -> Any:
    """Draws one of the charts that every sweep has, of the deepest networks alone."""

    def draw(measurements: Measurements) -> go.Figure:
        data = measurements[sweep]
        starts = {trial.number: _start(data, trial) for trial in data.trials}
        deepest = max((start.depth for start in starts.values() if start), default=0)
        trials = [trial for trial in data.trials if (start := starts[trial.number]) and start.depth == deepest]
        numbers = {trial.number for trial in trials}
        entry = chart(name)
        measured: Any = data.diagnostics if entry.needs == "diagnostics" else data.epochs
        rows = [row for row in measured if row.trial in numbers]
        return entry.figure(replace(data.sweep, best=None), trials, rows, options)

    return draw


INITIALIZATION = Exercise(
    number=9,
    title="Initializations",
    question="Try different schemes for initializing the weights. Does it matter?",
    parts=("Accuracy with each initialization", "Whether it matters"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by initialization", accuracy_figure),
        ExerciseChart("scales", "Accuracy by the scale of normal weights", scales_figure),
        ExerciseChart(
            "activations",
            "Activations before the first step, deep networks",
            _deep_chart(NAMED, "diagnostics", measure="activations", epoch="0"),
        ),
        ExerciseChart(
            "gradients",
            "Gradients before the first step, deep networks",
            _deep_chart(NAMED, "diagnostics", measure="gradients", epoch="0"),
        ),
        ExerciseChart(
            "scale-activations",
            "Activations before the first step, by scale",
            _deep_chart(SCALES, "diagnostics", measure="activations", epoch="0"),
        ),
        ExerciseChart("curves", "Learning curves, deep networks", _deep_chart(NAMED, "curves")),
    ),
    answer=answer,
    subset="64 of 128 units a layer, 3 of 10 epochs, 3 of 5 seeds; all initializations",
    whole="10 initializations and 4 scales in networks of 1 and 4 hidden layers of 128 units, 10 epochs, 5 seeds",
    needs=frozenset({"epochs", "diagnostics"}),
)

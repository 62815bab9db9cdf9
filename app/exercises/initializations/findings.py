"""What the runs of different starts show: the differences from the default, and the first pass."""

from collections.abc import Iterable, Mapping, Sequence

from app.domain.configuration import DEFAULTS
from app.domain.formatting import plural
from app.exercises.answers.comparison import Comparison, apart, compare, points, signed, verdict
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import best_level, levels
from app.exercises.answers.shares import share_interval
from app.exercises.answers.wording import (
    chance,
    chance_text,
    losses,
    measured_on,
    name_list,
    recipe,
    share,
    spread,
)
from app.exercises.exercise import Measurements, SweepData
from app.exercises.initializations.starts import (
    DEFAULT,
    NAMED,
    ZEROS,
    Start,
    Starts,
    comparisons_with_default,
    depths_of,
    only_name,
    scaled_start,
    start_of,
    starts_at,
)

FEW = 3  # from so many names on a sentence has the range of their differences


def first_sentence(data: SweepData, starts: Starts, depths: Sequence[int]) -> str:
    """Whether it matters, and at each depth, the deepest first, which are better and worse than the default."""
    last, early = (
        {depth: comparisons_with_default(item, depth) for depth in sorted(depths, reverse=True)}
        for item in (starts, starts_at(data, 1))
    )
    epochs = _epochs_text(data)
    if _is_any_clear(last):
        head = "It matters"
    elif _is_any_clear(early):
        head = f"It matters after 1 epoch; that it does after {epochs} is not clear"
    else:
        head = "That it matters is not clear"
    deepest, *_ = last
    texts = [
        f"with {plural(depth, 'hidden layer')}{f' of {_width(data)} units' if depth == deepest else ''}, "
        f"{_groups_text(compared)}"
        for depth, compared in last.items()
    ]
    body = ". ".join([texts[0], *map(str.capitalize, texts[1:])])
    return (
        f"{head}. Against torch's default, in percentage points after {epochs} (95 % confidence, "
        f"{_seeds_text(last[deepest])}): {body}.{_zeros_text(data, starts, depths)}"
    )


def _is_any_clear(compared_by_depth: Mapping[int, Mapping[str, Comparison]]) -> bool:
    return any(item.is_clear for compared in compared_by_depth.values() for item in compared.values())


def _groups_text(comparisons: Mapping[str, Comparison]) -> str:
    """`clearly worse is normal by 74.30 (73.10 to 75.50); none is clearly better; not clear are the other 7 (...)`."""
    worse, better = _clear(comparisons, -1), _clear(comparisons, 1)
    unclear = {name: item for name, item in comparisons.items() if name not in better | worse}
    groups = ["none is clearly better or worse"] if not worse and not better else []
    if not groups:
        groups = [_group_text("worse", worse), _group_text("better", better)]
    if unclear:
        names = name_list([*unclear]) if len(unclear) < FEW else f"the other {len(unclear)}"
        groups.append(f"not clear {'is' if len(unclear) == 1 else 'are'} {names} ({_unclear_text(unclear)})")
    return "; ".join(groups)


def _unclear_text(comparisons: Mapping[str, Comparison]) -> str:
    """`means higher by 2.33 to 2.86`; `differences of −0.20 to 0.10` where they go both ways."""
    sizes = sorted(round(100 * item.difference.estimate, 2) for item in comparisons.values())
    ends = [sizes[0], sizes[-1]]
    if ends[0] <= 0 <= ends[1]:
        noun = "a difference of" if len(sizes) == 1 else "differences of"
    else:
        noun = f"{'a mean' if len(sizes) == 1 else 'means'} {'higher' if ends[1] > 0 else 'lower'} by"
        ends = sorted(map(abs, ends))
    return f"{noun} {' to '.join(dict.fromkeys(map(signed, ends)))}"


def _group_text(word: str, comparisons: Mapping[str, Comparison]) -> str:
    """Each with its interval where they are few, else the range of their differences."""
    if not comparisons:
        return f"none is clearly {word}"
    ordered = sorted(comparisons.items(), key=lambda item: -abs(item[1].difference.estimate))
    if len(ordered) < FEW:
        text = name_list([f"{name} by {apart(item)}" for name, item in ordered])
    else:
        high, low = (100 * abs(item.difference.estimate) for _, item in (ordered[0], ordered[-1]))
        text = f"{name_list([name for name, _ in ordered])}, by {low:.2f} to {high:.2f}"
    return f"clearly {word} {'is' if len(ordered) == 1 else 'are'} {text}"


def _zeros_text(data: SweepData, starts: Starts, depths: Sequence[int]) -> str:
    """What became of the runs that began with zeros, which are compared with nothing."""
    values = [
        value for depth in depths if (level := starts.get(Start(depth, ZEROS))) for value in level.values.values()
    ]
    stuck = sum(value < chance(data.sweep) for value in values)
    return f" With zeros {share(stuck, len(values))} stayed at chance." if values else ""


def _clear(comparisons: Mapping[str, Comparison], sign: int) -> dict[str, Comparison]:
    """Those that are clearly better than the default, with a sign of 1, or clearly worse, with −1."""
    return {
        name: comparison
        for name, comparison in comparisons.items()
        if comparison.is_clear and sign * comparison.difference.estimate > 0
    }


def _epochs_text(data: SweepData) -> str:
    return plural(max((int(str(trial.params.get("epochs", 0))) for trial in data.trials), default=0), "epoch")


def _seeds_text(comparisons: Mapping[str, Comparison]) -> str:
    return plural(max((comparison.difference.n for comparison in comparisons.values()), default=0), "seed")


def _width(data: SweepData) -> str:
    """The units of each hidden layer, which all networks have alike."""
    layers = [widths for trial in data.trials if isinstance(widths := trial.params.get("hidden_layers"), list)]
    return " or ".join(map(str, sorted({width for widths in layers for width in widths})))


def difference_findings(data: SweepData, starts: Starts, depth: int) -> list[Finding]:
    """Which initializations differ from the default after the last epoch, and how many after the first."""
    comparisons = comparisons_with_default(starts, depth)
    if not comparisons:
        return []
    default = starts[Start(depth, DEFAULT)]
    better, worse = _clear(comparisons, 1), _clear(comparisons, -1)
    unclear = {name: item for name, item in comparisons.items() if name not in better | worse}
    spreads = [starts[Start(depth, name)].std or 0.0 for name in unclear]
    texts = [
        f"With {plural(depth, 'hidden layer')}, against the default ({spread(default)}), in percentage points with "
        "95 % intervals, after the last epoch.",
        f"Better, by an interval that leaves out 0: {_differences(better)}." if better else "",
        f"Worse, by an interval that leaves out 0: {_differences(worse)}." if worse else "",
        f"Not clear at {_seeds_text(comparisons)}: {_differences(unclear)}." if unclear else "",
        f"The default's own runs spread by {default.std:.4f}, theirs by at most {max(spreads):.4f}."
        if unclear and default.std and default.std > 2 * max(spreads)
        else "",
        _early_text(comparisons_with_default(starts_at(data, 1), depth)),
    ]
    name, settings = f"differ_at_depth_{depth}", {"depth": depth}
    seeds = max(comparison.difference.n for comparison in comparisons.values())
    text = " ".join(filter(None, texts))
    return [Finding(name, text, len(better) + len(worse), None, seeds, "initializations", settings)]


def _early_text(early: Mapping[str, Comparison]) -> str:
    better, worse = len(_clear(early, 1)), len(_clear(early, -1))
    return (
        f"After the first epoch {better or 'none'} of {len(early)} {'was' if better == 1 else 'were'} clearly better "
        f"and {worse or 'none'} clearly worse."
    )


def _differences(comparisons: Mapping[str, Comparison]) -> str:
    """`normal −71.30 (−75.20 to −67.40), uniform −4.10 (−5.90 to −2.30)`, the largest first."""
    ordered = sorted(comparisons.items(), key=lambda item: -abs(item[1].difference.estimate))
    return ", ".join(f"{name} {_points(item)}" for name, item in ordered)


def _points(comparison: Comparison) -> str:
    estimate, interval = comparison.difference.estimate, comparison.difference.interval
    bounds = f" ({signed(100 * interval[0])} to {signed(100 * interval[1])})" if interval else " (one seed)"
    return f"{signed(100 * estimate)}{bounds}"


def first_pass_findings(measurements: Measurements) -> list[Finding]:
    """What the first pass has measured in runs that stayed at chance and in those that learned, zeros left out."""
    runs: dict[tuple[Start, int], DiagnosedRun] = {}
    for data in measurements.values():
        for run in diagnosed_runs(data):
            start = start_of(data, run.trial)
            if start is not None and start.name != ZEROS:
                runs.setdefault((only_name(start), run.seed), run)  # both sweeps train normal 0.01
    sweep = measurements[NAMED].sweep
    stuck = gradients(run for run in runs.values() if run.value < chance(sweep))
    learning = gradients(run for run in runs.values() if run.value >= chance(sweep))
    if not stuck or not learning:
        return []
    below = sum(gradient < min(learning) for gradient in stuck)
    text = (
        f"Before the first step the gradient by the first layer's weights is {_range(stuck)} in the "
        f"{plural(len(stuck), 'run')} that stayed at chance ({chance_text(sweep)}), and {_range(learning)} in the "
        f"{len(learning)} that learned (root mean squares; zeros left out, each start counted once): "
        f"{share(below, len(stuck))} at chance had a smaller one than all that learned."
    )
    interval = share_interval(below, len(stuck))
    return [Finding("began_below", text, below / len(stuck), interval, len(stuck), "share of runs")]


def _range(sizes: Sequence[float]) -> str:
    return f"{min(sizes):.1g} to {max(sizes):.1g}"


def gradients(runs: Iterable[DiagnosedRun]) -> list[float]:
    """The sizes of the first layer's gradients before the first step, of those runs where it was a number."""
    return [size for run in runs if (size := run.first.gradient_rms[0]) is not None]


def zeros_findings(data: SweepData) -> list[Finding]:
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


def scale_findings(data: SweepData, depth: int) -> list[Finding]:
    """Which scale of the normal distribution serves best at a depth, and what the others lose."""
    scales = {start: level for start, level in levels(data.trials, scaled_start).items() if start.depth == depth}
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
    divergence = "".join(
        f" With {start.name.removeprefix('normal ')}, {share(level.diverged, level.runs)} diverged."
        for start, level in scales.items()
        if level.diverged
    )
    best_std = best.setting.name.removeprefix("normal ")
    text = (
        f"With {plural(depth, 'hidden layer')} the best of {len(scales)} standard deviations is "
        f"{best_std}: {spread(best)} ({plural(best.n, 'run')}); {'; '.join(losses_text)}.{divergence}"
    )
    settings = {"depth": depth, "init_std": float(best_std)}
    name = f"best_scale_at_depth_{depth}"
    return [Finding(name, text, best.mean, best.interval, best.n, "accuracy", settings)]


def certainty(starts: Starts, depths: Sequence[int]) -> str:
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


def caveats(measurements: Measurements, starts: Starts) -> list[str]:
    data = measurements[NAMED]
    settings = recipe(data.trials, ("optimizer", "batch_size", "epochs", "learning_rate"))
    comparison_count = sum(len(comparisons_with_default(starts, depth)) for depth in depths_of(starts))
    return [
        "Not tested: other activations than ReLU, other rates, and normalization, which may forgive more. All networks "
        f"were trained alike{f' ({settings})' if settings else ''}.",
        f"Each of the {comparison_count} comparisons has 95 % confidence by itself; among so many, some would look "
        "clear by luck.",
        measured_on(data.sweep),
        _names_text(),
        "The last two columns are of the time before the first step: the size of the first hidden layer's outputs, to "
        "that of the last one's, and of the gradient by the first layer's weights (root mean squares, medians of the "
        "runs).",
        *losses(
            [trial for item in measurements.values() for trial in item.trials],
            {f"{start.name}, {plural(start.depth, 'layer')}": level for start, level in starts.items()},
        ),
    ]


def _names_text() -> str:
    """What the names of starts stand for that do not say it themselves."""
    std, limit = (f"{DEFAULTS[name]:g}" for name in ("init_std", "init_range"))
    return (
        f"default is what torch's linear layers begin with; normal has standard deviation {std} (in the table it is "
        f"normal {std}, once); uniform is drawn from \N{MINUS SIGN}{limit} to {limit}; msra_prelu is MXNet's "
        f"MSRAPrelu, made for a leaky ReLU of slope {DEFAULTS['init_slope']:g} below 0."
    )

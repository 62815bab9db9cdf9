"""What the runs of narrow bottlenecks show: the cost of one neuron, why runs stay at chance, what is enough."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, stdev

from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.exercises.answers.comparison import Comparison, compare, points, points_apart, verdict
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs, median
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import Level
from app.exercises.answers.shares import (
    share_difference,
    share_interval,
    share_percent,
    share_text,
    share_with_bounds,
)
from app.exercises.answers.wording import chance_text, losses, measured_on, recipe, share, spread
from app.exercises.exercise import Measurements, SweepData
from app.exercises.one_neuron.networks import (
    BOOK,
    MIDDLE_90,
    MIDDLE_HALF,
    NEXT_TO_NOTHING,
    ONE,
    PLACES,
    WIDTHS,
    Network,
    Networks,
    by_activation,
    dead_share,
    network_of,
    outcome,
)


def first_sentence(
    comparison: Comparison, width: int, data: SweepData, runs: Mapping[str, Sequence[DiagnosedRun]]
) -> str:
    """What one neuron costs, and how many runs with it stay at chance."""
    is_worse = comparison.difference.estimate < 0
    effect = f"costs {points_apart(comparison)}" if is_worse else f"brings {points(comparison)}"
    clarity = "" if comparison.is_clear else f", which is {verdict(comparison)}"
    return (
        f"One ReLU neuron between two layers of {_outer_width(data)} lets one number of each image through, and "
        f"{effect} of validation accuracy against {width} neurons there{clarity}. {_stuck_text(data, runs)}"
    )


def _stuck_text(data: SweepData, runs: Mapping[str, Sequence[DiagnosedRun]]) -> str:
    """`Between two layers 1 of 20 runs (...) stayed at chance, ...: in each of them the neuron had died.`"""
    of_book = _of_book(runs)
    (first_place, first), *other_counts = _stuck_counts(data, of_book).items()
    text = f"{PLACES[first_place].capitalize()} {share_text(*first)} stayed at chance"
    text += "".join(f", {PLACES[place]} {share_with_bounds(*counts)}" for place, counts in other_counts)
    outcomes = [outcome(data, run) for own_runs in of_book.values() for run in own_runs]
    dead, stuck = outcomes.count("dead"), sum(item != "learns" for item in outcomes)
    which = "it" if stuck == 1 else "each of them" if dead == stuck else f"{dead} of them"
    return f"{text}: in {which} the neuron had died." if dead else f"{text}."


def _of_book(runs: Mapping[str, Sequence[DiagnosedRun]]) -> dict[str, list[DiagnosedRun]]:
    """By place, the runs with ReLU."""
    return {place: own_runs for place, all_runs in runs.items() if (own_runs := by_activation(all_runs).get(BOOK, []))}


def _stuck_counts(data: SweepData, runs: Mapping[str, Sequence[DiagnosedRun]]) -> dict[str, tuple[int, int]]:
    """By place, how many runs stayed at chance, and how many there are."""
    return {
        place: (sum(outcome(data, run) != "learns" for run in own_runs), len(own_runs))
        for place, own_runs in runs.items()
    }


def _places_text(data: SweepData, runs: Mapping[str, Sequence[DiagnosedRun]]) -> str:
    """That nobody knows where runs stay at chance more often, as long as the interval has zero in it."""
    counts = list(_stuck_counts(data, _of_book(runs)).values())
    difference = share_difference(counts[0], counts[1]) if len(counts) == 2 else None
    if difference is None or difference[0] > 0 or difference[1] < 0:
        return ""
    return f": that the place makes a difference is not clear at {plural(min(n for _, n in counts), 'run')} each"


def _outer_width(data: SweepData) -> str:
    """The units of the layers around the bottleneck."""
    layers = [widths for trial in data.trials if isinstance(widths := trial.params.get("hidden_layers"), list)]
    return " or ".join(map(str, sorted({widths[0] for widths in layers})))


def cost_finding(comparison: Comparison, narrowest: Level[Network], widest: Level[Network]) -> Finding:
    difference = comparison.difference
    text = (
        f"With ReLU a bottleneck of one neuron reaches {spread(narrowest)} ({plural(narrowest.n, 'run')}), one of "
        f"{widest.setting.bottleneck} {spread(widest)} ({plural(widest.n, 'run')}). At the seeds that both have "
        f"it is {points(comparison)}, {verdict(comparison)}."
    )
    settings = {"bottleneck": 1, "activation": BOOK}
    return Finding("cost", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)


def chance_findings(
    measurements: Measurements, runs: Mapping[str, Sequence[DiagnosedRun]]
) -> tuple[list[Finding], list[Finding]]:
    """How many runs stay at chance and what was measured in them, of ReLU, and of the other activations."""
    of_book: list[Finding] = []
    of_others: list[Finding] = []
    for place, own_runs in runs.items():
        for activation, group in by_activation(own_runs).items():
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
        born = sum(dead_share(run.first) == 1 for run in dead)
        same = sum(run.last.distinct_outputs == 1 for run in dead)
        which = f"{len(dead)} of them" if len(dead) < len(stuck) else "all of them" if len(dead) > 1 else "it"
        gave = f"{share(same, len(dead), 'network')} gave every image the same answer"
        one_before = f"before the first step it was {'so already' if born else 'not'}"
        before = one_before if len(dead) == 1 else f"in {born or 'none'} it was so before the first step"
        texts.append(
            f"In {which} the neuron is dead after the last epoch ({before}): its output is the same for every image, "
            f"{gave}, and the gradient of the first layer is {_size([run.last.gradient_rms[0] for run in dead])}."
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


def separation_findings(data: SweepData, runs: Sequence[DiagnosedRun]) -> list[Finding]:
    """How many pairs of classes one number does not keep apart, in runs that learn."""
    learning = [run for run in runs if outcome(data, run) == "learns"]
    if not learning:
        return []
    halves, most = ([overlapping_pairs(run, part) for run in learning] for part in (MIDDLE_HALF, MIDDLE_90))
    classes = DATASETS[data.sweep.dataset].classes
    text = (
        "What one number can't separate: the numbers that the neuron gives the images of a class make a range. Of the "
        f"{classes * (classes - 1) // 2} pairs of classes, the ranges of the middle 90 % of the images overlap in "
        f"{_mean(most)}, and even those of the middle half in {_mean(halves)} (mean ± std of the "
        f"{plural(len(learning), 'run')} that learn, of all activations)."
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


def answers_findings(measurements: Measurements, runs: Sequence[DiagnosedRun]) -> list[Finding]:
    """How many classes networks predict at all, with one neuron and with the widest bottleneck."""
    relu_runs = by_activation(runs).get(BOOK, [])
    if not relu_runs:
        return []
    level = _level([run.last.predicted_classes or 0 for run in relu_runs])
    wide_runs = _widest_runs(measurements)
    beside = f"; with {_bottleneck(wide_runs[0])} they predict {_classes(wide_runs)}" if wide_runs else ""
    text = f"With one ReLU neuron the networks predict {_classes(relu_runs)} for at least one image{beside}."
    return [Finding("predicted_classes", text, level.mean, level.interval, level.n, "classes", {"bottleneck": 1})]


def _widest_runs(measurements: Measurements) -> list[DiagnosedRun]:
    runs = by_activation(diagnosed_runs(measurements[WIDTHS])).get(BOOK, []) if WIDTHS in measurements else []
    return [run for run in runs if _bottleneck(run) == max(map(_bottleneck, runs))]


def _bottleneck(run: DiagnosedRun) -> int:
    network = network_of(run.trial)
    return network.bottleneck if network else 0


def _classes(runs: Sequence[DiagnosedRun]) -> str:
    counts = [run.last.predicted_classes or 0 for run in runs]
    return f"{_mean(counts)} classes (mean ± std, {plural(len(counts), 'run')})"


def enough_findings(networks: Networks, widest: Level[Network]) -> list[Finding]:
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
            f"The smallest bottleneck whose 95 % interval rules out a loss of more than {100 * NEXT_TO_NOTHING:g} "
            f"percentage points against {widest.setting.bottleneck} is {width}, with ReLU: {spread(level)}, "
            f"{points(comparison)}."
        )
        settings, difference = {"bottleneck": width, "activation": BOOK}, comparison.difference
        return [Finding("enough", text, difference.estimate, interval, difference.n, "accuracy", settings)]
    text = (
        f"At {plural(widest.n, 'seed')} it is not clear of any narrower bottleneck that it loses less than "
        f"{100 * NEXT_TO_NOTHING:g} percentage points against {widest.setting.bottleneck}."
    )
    return [Finding("enough", text, n=widest.n)] if widths else []


def behind_findings(measurements: Measurements) -> list[Finding]:
    """How many neurons are dead in the layer that reads the one number."""
    relu_runs = by_activation(diagnosed_runs(measurements[ONE])).get(BOOK, [])
    wide_runs = _widest_runs(measurements)
    if not relu_runs or not wide_runs:
        return []
    level = _level([run.last.dead_share[2] for run in relu_runs])
    wide = _level([run.last.dead_share[2] for run in wide_runs])
    text = (
        f"In the layer behind the bottleneck, which reads the one number, {share_percent(level.mean)} of the neurons "
        f"are dead after the last epoch ({plural(level.n, 'run')} with ReLU), behind {_bottleneck(wide_runs[0])} "
        f"neurons {share_percent(wide.mean)} ({plural(wide.n, 'run')}). The table has those of the bottleneck itself."
    )
    return [Finding("dead_behind", text, level.mean, level.interval, level.n, "share of neurons", {"bottleneck": 1})]


def _level(values: Sequence[float]) -> Level[str]:
    return Level("", dict(enumerate(map(float, values))))


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def certainty(
    comparison: Comparison,
    narrowest: Level[Network],
    widest: Level[Network],
    data: SweepData,
    runs: Mapping[str, Sequence[DiagnosedRun]],
) -> str:
    seeds = narrowest.values.keys() & widest.values.keys()
    worse = sum(narrowest.values[seed] < widest.values[seed] for seed in seeds)
    effect = "costs" if comparison.difference.estimate < 0 else "brings"
    return (
        f"One neuron is worse than {widest.setting.bottleneck} in {worse} of {plural(len(seeds), 'seed')}: that it "
        f"{effect} accuracy is {verdict(comparison)}. How often runs stay at chance is known only as well as the "
        f"intervals beside the shares say (Wilson's){_places_text(data, runs)}. Whether a neuron is dead was measured "
        "in each run."
    )


def caveats(data: SweepData, networks: Networks) -> list[str]:
    settings = recipe(data.trials)
    activations = dict.fromkeys(network.activation for network in networks)
    widened = {network.activation for network in networks if network.bottleneck > 1}
    narrow_text = "".join(f", and wider layers with {name}" for name in activations if name not in widened)
    return [
        f"Not tested: other rates and more epochs{narrow_text}. All networks were trained alike"
        f"{f' ({settings})' if settings else ''}.",
        f"At chance is an accuracy {chance_text(data.sweep)}. Dead is a neuron whose output varies by less than 0.01 "
        "over 1,000 held-out images and whose activation has a slope below 0.001 for each of them. A run at chance "
        "whose neuron is not dead may only need more epochs.",
        "The last column counts the different answers that a network gives to these 1,000 images, its class "
        "probabilities rounded to three decimals: the median of the runs.",
        measured_on(data.sweep),
        *losses(data.trials, {_name(network): level for network, level in networks.items()}),
    ]


def _name(network: Network) -> str:
    return f"{plural(network.bottleneck, 'neuron')} ({network.activation}{', alone' if network.alone else ''})"

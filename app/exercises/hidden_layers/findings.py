"""What the runs of several depths show: what a second layer brings, and what it needs to start from."""

from collections.abc import Mapping

from app.domain.formatting import plural
from app.exercises.answers.comparison import Comparison, compare, points, points_apart, size, verdict
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import Level, best_level, levels_at, wins
from app.exercises.answers.wording import chance, chance_text, judged_on, losses, recipe, share, spread
from app.exercises.exercise import SweepData
from app.exercises.hidden_layers.networks import (
    SCRATCH,
    Network,
    Networks,
    default_network,
    levels_by_depth,
    network_name,
    network_of,
    width_of,
)


def first_sentence(data: SweepData, comparison: Comparison, networks: Networks) -> str:
    """What the second layer changes from either start, and where the deepest network ends from the book's."""
    width = width_of(data, default_network(1))
    texts = [f"From torch's default weights, a second hidden layer of {width} units {_second_layer_text(comparison)}."]
    scratch, deepest = scratch_comparison(networks), deepest_comparison(networks)
    if scratch is not None:
        weights = "From the book's, normal with standard deviation 0.01,"
        texts.append(f"{weights} it {_second_layer_text(scratch)}.")
    if deepest is not None and deepest[0] > 2:
        depth, difference = deepest
        clarity = "" if difference.is_clear else f": {verdict(difference)}"
        texts.append(f"With {_layers(depth)} the book's reach {points(difference)} than torch's{clarity}.")
    return " ".join(texts)


def scratch_comparison(networks: Networks) -> Comparison | None:
    """What a second layer of equal width changes from the book's own start."""
    scratch = levels_by_depth(networks, "equal width", SCRATCH)
    return compare(scratch[2], scratch[1]) if scratch.keys() >= {1, 2} else None


def deepest_comparison(networks: Networks) -> tuple[int, Comparison] | None:
    """The most layers that both starts have at equal width, and how much more the book's own has there."""
    default, scratch = (levels_by_depth(networks, "equal width", name) for name in ("default", SCRATCH))
    depth = max(default.keys() & scratch.keys(), default=0)
    comparison = compare(scratch[depth], default[depth]) if depth else None
    return None if comparison is None else (depth, comparison)


def _second_layer_text(comparison: Comparison) -> str:
    if not comparison.is_clear:
        return f"makes no clear difference: the validation accuracy is {points(comparison)} with it"
    verb = "raises" if comparison.difference.estimate > 0 else "lowers"
    return f"{verb} the validation accuracy by {points_apart(comparison)}"


def _layers(depth: int) -> str:
    return plural(depth, "hidden layer")


def layer_finding(name: str, how: str, comparison: Comparison, level: Level[Network]) -> Finding:
    difference = comparison.difference
    text = (
        f"With a second hidden layer {how} it is {spread(level)}, {points(comparison)} than with one: "
        f"{verdict(comparison)}."
    )
    settings = {"depth": 2, "initialization": "default"}
    return Finding(name, text, difference.estimate, difference.interval, difference.n, "accuracy", settings)


def second_layer_from_scratch_findings(networks: Networks) -> list[Finding]:
    comparison = scratch_comparison(networks)
    if comparison is None:
        return []
    level, difference = levels_by_depth(networks, "equal width", SCRATCH)[2], comparison.difference
    text = (
        f"From normal weights of standard deviation 0.01, a network with a second hidden layer at equal width has "
        f"{spread(level)}, {points(comparison)} than with one: {verdict(comparison)}."
    )
    settings = {"depth": 2, "initialization": SCRATCH}
    name, n = "second_layer_from_scratch", difference.n
    return [Finding(name, text, difference.estimate, difference.interval, n, "accuracy", settings)]


def equal_size_findings(networks: Networks, single: Level[Network]) -> list[Finding]:
    double = networks.get(default_network(2, "equal size"))
    comparison = compare(double, single) if double else None
    if double is None or comparison is None:
        return []
    return [layer_finding("second_layer_equal_size", "of as many parameters in all", comparison, double)]


def scratch_findings(data: SweepData, networks: Networks) -> list[Finding]:
    """How the start from scratch does in the deepest network, and in shallower ones."""
    deepest = deepest_comparison(networks)
    if deepest is None:
        return []
    depth, comparison = deepest
    default, scratch = (levels_by_depth(networks, "equal width", name) for name in ("default", SCRATCH))
    level = scratch[depth]
    text = (
        f"With {_layers(depth)} of {width_of(data, level.setting)} units, normal weights of standard deviation 0.01 "
        f"reach {spread(level)}{_training_text(data, level)}; in validation {points(comparison)} than the default "
        f"start: {verdict(comparison)}. {_at_chance(data, level).capitalize()} stayed at chance "
        f"({chance_text(data.sweep)}).{_by_depth_text(default, scratch, depth)}"
        f"{_equal_size_text(data, networks, depth)}"
    )
    difference = comparison.difference
    settings = {"depth": depth, "initialization": SCRATCH}
    return [Finding("from_scratch", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


def _training_text(data: SweepData, level: Level[Network]) -> str:
    """That the training images are learned no better, in figures."""
    numbers = {trial.number: 0 for trial in data.trials if network_of(data, trial) == level.setting}
    training = levels_at(data.epochs, numbers, "train_accuracy").get(0)
    return f" in validation and {training.mean:.4f} in training" if training else " in validation"


def _by_depth_text(default: Mapping[int, Level[Network]], scratch: Mapping[int, Level[Network]], deepest: int) -> str:
    """What the start from scratch changes in shallower networks."""
    comparisons = {
        depth: comparison
        for depth in sorted(default.keys() & scratch.keys())
        if 0 < depth < deepest and (comparison := compare(scratch[depth], default[depth])) is not None
    }
    differences = ", ".join(
        f"{size(comparison)} with {depth if place else _layers(depth)}"
        for place, (depth, comparison) in enumerate(comparisons.items())
    )
    return f" In shallower ones the difference is, in percentage points: {differences}." if differences else ""


def _at_chance(data: SweepData, level: Level[Network]) -> str:
    return share(sum(value < chance(data.sweep) for value in level.values.values()), level.n)


def _equal_size_text(data: SweepData, networks: Networks, depth: int) -> str:
    """The same of as many layers with fewer units."""
    level = levels_by_depth(networks, "equal size", SCRATCH).get(depth)
    if level is None or not level.n:
        return ""
    return (
        f" With layers of {width_of(data, level.setting)} units, as many parameters as one layer has, it is "
        f"{spread(level)}, and {_at_chance(data, level)} stayed at chance."
    )


def first_layer_findings(networks: Networks, single: Level[Network]) -> list[Finding]:
    softmax = networks.get(default_network(0))
    comparison = compare(single, softmax) if softmax else None
    if softmax is None or comparison is None:
        return []
    difference = comparison.difference
    text = f"Without a hidden layer it is {spread(softmax)}; the first one brings {points(comparison)}."
    return [
        Finding("first_layer", text, difference.estimate, difference.interval, difference.n, "accuracy", {"depth": 1})
    ]


def certainty(networks: Networks) -> str:
    best = best_level(networks)
    if best is None or best.n < 2:
        return "One run each: without more seeds nobody can say how much of this is luck."
    won, seeds = wins(networks, best)
    return (
        f"Of all networks tried, {network_name(best.setting)} has the best mean, {spread(best)}, and is best in {won} "
        f"of {seeds} seeds."
    )


def caveats(data: SweepData, networks: Networks) -> list[str]:
    settings = recipe(data.trials)
    texts = [
        "Not tested: other rates and more epochs, which a deeper network may need. All were trained alike"
        f"{f' ({settings})' if settings else ''}.",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
    ]
    return [*texts, *losses(data.trials, {network_name(network): level for network, level in networks.items()})]

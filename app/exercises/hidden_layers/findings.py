"""What the runs of several depths show: what a second layer brings, and what it needs to start from."""

from app.domain.formatting import plural
from app.exercises.answers.comparison import Comparison, compare, points, signed, verdict
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import Level, best_level, wins
from app.exercises.answers.wording import chance, chance_text, judged_on, losses, recipe, share, spread
from app.exercises.exercise import SweepData
from app.exercises.hidden_layers.networks import (
    SCRATCH,
    Network,
    Networks,
    default_network,
    levels_by_depth,
    network_name,
    width_of,
)


def first_sentence(comparison: Comparison, networks: Networks) -> str:
    head = f"In validation accuracy a second hidden layer brings {points(comparison)}: {verdict(comparison)}"
    worse = _worse_depths(networks)
    if not worse:
        return f"{head}."
    losses_text = ", ".join(
        f"{signed(-100 * item.difference.estimate)} ({signed(-100 * high)} to {signed(-100 * low)}) "
        f"{f'percentage points with {_layers(depth)}' if place == 0 else f'with {depth}'}"
        for place, (depth, item) in enumerate(worse.items())
        if item.difference.interval is not None
        for low, high in [item.difference.interval]
    )
    return (
        f"{head}. Weights drawn from a normal distribution of standard deviation 0.01, as in the book's code from "
        f"scratch, lose against torch's default start {losses_text} (95 % intervals)."
    )


def _layers(depth: int) -> str:
    return plural(depth, "hidden layer")


def _worse_depths(networks: Networks) -> dict[int, Comparison]:
    """The depths, up to the deepest, at which the start from scratch is clearly worse than the default."""
    default, scratch = (levels_by_depth(networks, "equal width", name) for name in ("default", SCRATCH))
    worse: dict[int, Comparison] = {}
    for depth in sorted(default.keys() & scratch.keys(), reverse=True):
        comparison = compare(scratch[depth], default[depth])
        if comparison is None or not comparison.is_clear or comparison.difference.estimate > 0:
            break
        worse[depth] = comparison
    return dict(sorted(worse.items()))


def layer_finding(name: str, how: str, comparison: Comparison, level: Level[Network]) -> Finding:
    difference = comparison.difference
    text = (
        f"A second hidden layer {how}: {spread(level)} after it, {points(comparison)} than with one layer; that is "
        f"{verdict(comparison)}."
    )
    settings = {"depth": 2, "initialization": "default"}
    return Finding(name, text, difference.estimate, difference.interval, difference.n, "accuracy", settings)


def equal_size_findings(networks: Networks, single: Level[Network]) -> list[Finding]:
    double = networks.get(default_network(2, "equal size"))
    comparison = compare(double, single) if double else None
    if double is None or comparison is None:
        return []
    return [layer_finding("second_layer_equal_size", "of as many parameters in all", comparison, double)]


def scratch_findings(data: SweepData, networks: Networks) -> list[Finding]:
    """How the start from scratch does in the deepest network."""
    default, scratch = (levels_by_depth(networks, "equal width", name) for name in ("default", SCRATCH))
    depth = max(default.keys() & scratch.keys(), default=0)
    comparison = compare(scratch[depth], default[depth]) if depth else None
    if comparison is None:
        return []
    level = scratch[depth]
    text = (
        f"With {plural(depth, 'hidden layer')} of {width_of(data, level.setting)} units, weights drawn from a normal "
        f"distribution of standard deviation 0.01 reach {spread(level)}, {points(comparison)} than the default start: "
        f"{verdict(comparison)}. {_at_chance(data, level).capitalize()} stayed at chance ({chance_text(data.sweep)})."
        f"{_equal_size_text(data, networks, depth)}"
    )
    difference = comparison.difference
    settings = {"depth": depth, "initialization": SCRATCH}
    return [Finding("from_scratch", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


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
    return f"Of all networks tried, {network_name(best.setting)} is best in {won} of {seeds} seeds: {spread(best)}."


def caveats(data: SweepData, networks: Networks) -> list[str]:
    settings = recipe(data.trials)
    texts = [
        f"All networks were trained alike{f' ({settings})' if settings else ''}: a deeper one may need another rate or "
        "more epochs.",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
    ]
    return [*texts, *losses(data.trials, {network_name(network): level for network, level in networks.items()})]

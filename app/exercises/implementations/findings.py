"""What the times show: the framework beside the network from scratch, for small and for large networks."""

from collections.abc import Mapping
from itertools import pairwise

from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.domain.tasks.time_training import epoch_examples
from app.exercises.answers.circumstances import circumstances_caveats, failures_text
from app.exercises.answers.finding import Finding
from app.exercises.answers.ratios import Ratio, brief_verdict, quotient, ratio_verdict, times
from app.exercises.answers.wording import spread
from app.exercises.exercise import Measurements, SweepData
from app.exercises.implementations.timings import (
    EPOCHS,
    NAMES,
    NETWORKS,
    SECONDS,
    Network,
    Setting,
    Timings,
    compared_networks,
    parameter_count,
    ratio_between,
    setting_of,
)


def _shape(network: Network) -> str:
    """`256 units in 1 hidden layer`."""
    return (
        f"{network.width:,} units in {'each of ' if network.depth > 1 else ''}{plural(network.depth, 'hidden layer')}"
    )


def first_sentence(timings: Timings, reference: Network, value: Ratio) -> str:
    """Which is faster for the book's network, and by how much that differs for narrow, wide and deep ones."""
    head = f"With {_shape(reference)}, "
    if value.is_clear:
        speed = "faster" if value.estimate < 1 else "slower"
        head += f"the framework (torch.nn) is clearly {speed} than from scratch: an epoch takes {times(value)} as long."
    else:
        head += f"an epoch by the framework (torch.nn) takes {times(value)} as long as from scratch: "
        head += f"{ratio_verdict(value)}."
    change = _width_text(timings)
    return f"{head} {change}" if change else head


def _width_text(timings: Timings) -> str:
    """`In multiples of the time from scratch, it takes 1.08 (1.06 to 1.10) with 16 units and 0.81 with ...`."""
    ratios = _ratios_by_depth(timings)
    changes = _changes_with_width(ratios)
    if not changes:
        return ""
    reversals = {depth for depth, change in changes.items() if change.is_clear and _reversal_text(ratios[depth])}
    gains_with_width = not reversals and all(change.is_clear and change.estimate > 1 for change in changes.values())
    texts = []
    for depth, change in changes.items():
        steadiness = " but not steady" if depth in reversals else ""
        clarity = "" if gains_with_width else f", where the change with width is {brief_verdict(change)}{steadiness}"
        texts.append(f"{_ends_text(ratios[depth])} in {plural(depth, 'hidden layer')}{clarity}")
    gains = [*(["with width"] * gains_with_width), *(["with depth"] * _gains_with_depth(ratios))]
    head = f"It clearly gains {' and '.join(gains)}: in" if gains else "In"
    return f"{head} multiples of the time from scratch, it takes {(', ' if gains_with_width else '; ').join(texts)}."


def _changes_with_width(ratios: Mapping[int, Mapping[int, Ratio]]) -> dict[int, Ratio]:
    """By depth, how many times as large the ratio of the narrowest network is as that of the widest."""
    return {
        depth: quotient(by_width[min(by_width)], by_width[max(by_width)])
        for depth, by_width in ratios.items()
        if len(by_width) > 1
    }


def _ends_text(by_width: Mapping[int, Ratio]) -> str:
    """`1.15 (1.09 to 1.21) with 16 units and 0.86 (0.85 to 0.87) with 512`."""
    low, high = min(by_width), max(by_width)
    return f"{_brief(by_width[low])} with {low:,} units and {_brief(by_width[high])} with {high:,}"


def width_findings(timings: Timings) -> list[Finding]:
    """How the ratio changes from the narrowest network to the widest, at each depth, and whether steadily."""
    ratios, findings = _ratios_by_depth(timings), []
    for depth, change in _changes_with_width(ratios).items():
        reversal = _reversal_text(ratios[depth]) if change.is_clear else ""
        text = (
            f"With {plural(depth, 'hidden layer')} the framework takes {_ends_text(ratios[depth])} times the time from "
            f"scratch (95 % confidence, {plural(change.n, 'repeat')}): that it changes is {ratio_verdict(change)}"
            f"{reversal}."
        )
        name, settings = f"change_with_width_at_depth_{depth}", {"depth": depth}
        findings.append(Finding(name, text, change.estimate, change.interval, change.n, "times", settings))
    return findings


def _reversal_text(by_width: Mapping[int, Ratio]) -> str:
    """`, but not steady: from 64 to 256 it rises from 0.80 to 1.15`, where one step clearly goes against the whole."""
    widths = sorted(by_width)
    gains = by_width[widths[0]].estimate > by_width[widths[-1]].estimate
    for narrow, wide in pairwise(widths):
        step = quotient(by_width[narrow], by_width[wide])
        if step.is_clear and (step.estimate > 1) != gains:
            return (
                f", but not steady: from {narrow:,} to {wide:,} units it {'rises' if gains else 'falls'} from "
                f"{by_width[narrow].estimate:.2f} to {by_width[wide].estimate:.2f}"
            )
    return ""


def _brief(value: Ratio) -> str:
    """`0.81 (0.79 to 0.83)`, for lists that name the rest once."""
    bounds = f" ({value.interval[0]:.2f} to {value.interval[1]:.2f})" if value.interval else ""
    return f"{value.estimate:.2f}{bounds}"


def _gains_with_depth(ratios: Mapping[int, Mapping[int, Ratio]]) -> bool:
    """Whether at every width the deepest networks need clearly less of the time from scratch than the shallowest."""
    shallow, deep = ratios[min(ratios)], ratios[max(ratios)]
    changes = [quotient(shallow[width], deep[width]) for width in shallow.keys() & deep.keys()]
    return len(ratios) > 1 and bool(changes) and all(change.is_clear and change.estimate > 1 for change in changes)


def _ratios_by_depth(timings: Timings) -> dict[int, dict[int, Ratio]]:
    """Framework against scratch, by depth and width."""
    ratios: dict[int, dict[int, Ratio]] = {}
    for network in compared_networks(timings):
        value = ratio_between(timings, network, "concise", "scratch")
        if value is not None:
            ratios.setdefault(network.depth, {})[network.width] = value
    return ratios


def ratio_finding(name: str, timings: Timings, network: Network, first: str, second: str) -> Finding:
    value = ratio_between(timings, network, first, second)
    assert value is not None
    seconds = [f"{spread(timings[Setting(name, network)], SECONDS)} {NAMES[name]}" for name in (first, second)]
    text = (
        f"With {_shape(network)}, an epoch takes {' and '.join(seconds)}: {times(value)} as long, "
        f"{ratio_verdict(value)}."
    )
    settings = {"implementation": first, "hidden_units": network.width, "depth": network.depth}
    return Finding(name, text, value.estimate, value.interval, value.n, "times", settings)


def size_findings(timings: Timings, data: SweepData) -> list[Finding]:
    """How the ratio changes from the smallest network to the largest."""
    ratios = _ratios_by_size(timings, data)
    if len(ratios) < 2:
        return []
    small, large = next(iter(ratios)), next(reversed(ratios))
    change = quotient(ratios[small], ratios[large])
    text = (
        f"The framework takes {ratios[small].estimate:.2f} times the time from scratch at {small} parameters and "
        f"{ratios[large].estimate:.2f} times at {large}; that it changes from the one to the other is "
        f"{ratio_verdict(change)}."
    )
    return [Finding("change_with_size", text, change.estimate, change.interval, change.n, "times")]


def _ratios_by_size(timings: Timings, data: SweepData) -> dict[str, Ratio]:
    """Framework against scratch by the number of parameters, from the smallest network to the largest."""
    networks = sorted(compared_networks(timings), key=lambda network: parameter_count(data, network))
    return {
        f"{parameter_count(data, network):,}": value
        for network in networks
        if (value := ratio_between(timings, network, "concise", "scratch")) is not None
    }


def optional_findings(timings: Timings, reference: Network, implementation: str, data: SweepData) -> list[Finding]:
    """What another implementation takes beside the framework, or why that is not known."""
    networks = [n for n in compared_networks(timings) if Setting(implementation, n) in timings]
    if networks:
        network = reference if reference in networks else networks[-1]
        return [ratio_finding(f"{implementation}_to_concise", timings, network, implementation, "concise")]
    reason = failures_text([trial for trial in data.trials if setting_of(trial).implementation == implementation])
    if not reason:
        return []
    return [Finding(f"{implementation}_to_concise", f"Not measured {NAMES[implementation]}: {reason}", unit="times")]


def seconds_finding(timings: Timings, network: Network, implementation: str) -> Finding:
    level = timings[Setting(implementation, network)]
    text = f"{NAMES[implementation].capitalize()}: {spread(level, SECONDS)} an epoch, {plural(level.n, 'repeat')}."
    settings = {"implementation": implementation, "hidden_units": network.width, "depth": network.depth}
    return Finding(f"seconds_{implementation}", text, level.mean, level.interval, level.n, "s", settings)


def certainty(timings: Timings) -> str:
    compared = [
        (network, ratio_between(timings, network, "concise", "scratch")) for network in compared_networks(timings)
    ]
    clear = [value for _, value in compared if value is not None and value.is_clear]
    slower = sum(value.estimate > 1 for value in clear)
    disturbed = sum(value is not None and value.disturbed for _, value in compared)
    text = (
        f"Of {plural(len(compared), 'network')}, the framework is clearly slower in {slower}, clearly faster in "
        f"{len(clear) - slower}, and not clearly either in {len(compared) - len(clear)}."
    )
    return f"{text} Other programs disturbed the timing of {disturbed} of them." if disturbed else text


def caveats(measurements: Measurements) -> list[str]:
    data = measurements[EPOCHS]
    trials = [trial for item in measurements.values() for trial in item.trials]
    counts = sorted({epoch_examples(trial.params, DATASETS[data.sweep.dataset]) for trial in trials})
    return [
        "Not tested: other batch sizes, other libraries and other devices than this machine's.",
        f"An epoch is {' or '.join(f'{count:,}' for count in counts)} images here. In the time are the order of the "
        "examples, choosing each mini-batch by index, forward, loss, backward and update; out of it are loading, "
        "compiling and validation. There is no DataLoader.",
        f"Fused are {NETWORKS} networks of the same shape that one program trains together; the time of one is theirs "
        f"divided by {NETWORKS}.",
        *circumstances_caveats(trials),
        "Each interval has 95 % confidence by itself; among many, some would look clear by luck. Repeats follow each "
        "other, so an interval is of their minutes alone: a run at another time may differ by more.",
    ]

"""What the times show: the framework beside the network from scratch, for small and for large networks."""

from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.domain.tasks.time_training import epoch_examples
from app.exercises.answers.circumstances import circumstances_caveats, failures_text
from app.exercises.answers.finding import Finding
from app.exercises.answers.ratios import Ratio, quotient, ratio_verdict, times
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


def first_sentence(timings: Timings, reference: Network, value: Ratio, data: SweepData) -> str:
    head = (
        f"With {_shape(reference)}, an epoch by the framework takes {times(value)} as long as from scratch: "
        f"{ratio_verdict(value)}"
    )
    return f"{head}. {' '.join(finding.text for finding in size_findings(timings, data))}".strip()


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
    networks = sorted(compared_networks(timings), key=lambda network: parameter_count(data, network))
    if len(networks) < 2:
        return []
    ratios = {
        f"{parameter_count(data, network):,}": value
        for network in networks
        if (value := ratio_between(timings, network, "concise", "scratch")) is not None
    }
    small, large = next(iter(ratios)), next(reversed(ratios))
    low = min(ratios, key=lambda count: ratios[count].estimate)
    high = max(ratios, key=lambda count: ratios[count].estimate)
    change = quotient(ratios[small], ratios[large])
    text = (
        f"The framework takes {ratios[small].estimate:.2f} times the time from scratch at {small} parameters and "
        f"{ratios[large].estimate:.2f} times at {large}; that it changes from the one to the other is "
        f"{ratio_verdict(change)}. Of the {len(ratios)} networks the least is {ratios[low].estimate:.2f} times, at "
        f"{low}, and the most {ratios[high].estimate:.2f}, at {high}."
    )
    return [Finding("change_with_size", text, change.estimate, change.interval, change.n, "times")]


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
        f"An epoch is {' or '.join(f'{count:,}' for count in counts)} images here. In the time are the order of the "
        "examples, choosing each mini-batch by index, forward, loss, backward and update; out of it are loading, "
        "compiling and validation. There is no DataLoader.",
        f"Fused are {NETWORKS} networks of the same shape that one program trains together; the time of one is theirs "
        f"divided by {NETWORKS}.",
        *circumstances_caveats(trials),
        "Each interval has 95 % confidence by itself; among many, some would look clear by luck.",
    ]

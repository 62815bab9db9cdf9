"""The networks that were timed, by implementation, and how many times as long one takes as another."""

from dataclasses import replace
from typing import Any, NamedTuple

from app.charts.rows import TrialRow
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.tasks import TASKS
from app.exercises.answers.circumstances import disturbed_settings
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.ratios import Ratio, ratio
from app.exercises.exercise import Measurements, SweepData

EPOCHS, COMPILED = "epochs", "compiled"  # the sweeps
SECONDS = "seconds_per_epoch"
NETWORKS = 8  # that the fused engine trains together
BOOK_WIDTH = 256
NAMES = {
    "scratch": "from scratch",
    "concise": "by the framework (torch.nn)",
    "compiled": "by torch.compile",
    "fused": f"as one of {NETWORKS} networks that train fused",
}
SHORT_NAMES = {"scratch": "scratch", "concise": "torch.nn", "compiled": "torch.compile", "fused": "fused"}


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


def read_timings(measurements: Measurements) -> Timings:
    trials = [trial for data in measurements.values() for trial in data.trials]
    timings = Timings({setting: level for setting, level in levels(trials, setting_of).items() if level.n})
    timings.disturbed = disturbed_settings(trials, setting_of)
    return timings


def setting_of(trial: TrialRow) -> Setting:
    params = TASKS["time_training"].complete(trial.params)
    return Setting(str(params["implementation"]), Network(int(params["depth"]), int(params["hidden_units"])))


def networks_of(timings: Timings) -> list[Network]:
    return sorted({setting.network for setting in timings})


def by_width(timings: Timings, implementation: str, depth: int) -> list[tuple[object, Level[Any]]]:
    chosen_timings = {
        setting.network.width: level
        for setting, level in timings.items()
        if (setting.implementation, setting.network.depth) == (implementation, depth)
    }
    return sorted(chosen_timings.items())


def compared_networks(timings: Timings) -> list[Network]:
    """The networks that were timed both from scratch and by the framework."""
    return [n for n in networks_of(timings) if {Setting("scratch", n), Setting("concise", n)} <= timings.keys()]


def reference_network(timings: Timings) -> Network | None:
    """The book's network, else the widest one of the fewest layers; None where there is nothing to compare."""
    compared = compared_networks(timings)
    book = Network(1, BOOK_WIDTH)
    return book if book in compared else max(compared, key=lambda n: (-n.depth, n.width), default=None)


def ratio_between(timings: Timings, network: Network, first: str, second: str) -> Ratio | None:
    settings = Setting(first, network), Setting(second, network)
    if not timings.keys() >= {*settings}:
        return None
    value = ratio(timings[settings[0]], timings[settings[1]])
    return value and replace(value, disturbed=not timings.disturbed.isdisjoint(settings))


def parameter_count(data: SweepData, network: Network) -> int:
    return MLPConfig((network.width,) * network.depth).parameter_count(*DATASETS[data.sweep.dataset].shape)

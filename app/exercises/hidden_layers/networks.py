"""The networks of several depths, of equal width and of equal size."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from app.charts.rows import TrialRow
from app.domain.formatting import plural
from app.exercises.answers.levels import Level
from app.exercises.exercise import SweepData

SWEEP = "depth"
SCRATCH = "normal"  # the book's own start: normal with standard deviation 0.01
Kind = Literal["equal width", "equal size"]


class Network(NamedTuple):
    """A network of the comparison."""

    depth: int
    kind: Kind  # one hidden layer is of both kinds, and has the first
    initialization: str


Networks = Mapping[Network, Level[Network]]


def network_of(data: SweepData, trial: TrialRow) -> Network | None:
    widths = trial.params.get("hidden_layers")
    if not isinstance(widths, list):
        return None
    width = _width(data)
    kind: Kind = "equal width" if len(widths) < 2 or widths[0] == width else "equal size"
    return Network(len(widths), kind, str(trial.params.get("initialization", "default")))


def width_of(data: SweepData, network: Network) -> int:
    """The units of each of its hidden layers, 0 without any."""
    params = next(trial.params for trial in data.trials if network_of(data, trial) == network)
    widths = params["hidden_layers"]
    return int(widths[0]) if isinstance(widths, list) and widths else 0


def _width(data: SweepData) -> int:
    """That of the one hidden layer."""
    choices = data.sweep.axes["hidden_layers"].choices or ()
    return next((int(widths[0]) for widths in choices if isinstance(widths, list) and len(widths) == 1), 0)


def default_network(depth: int, kind: Kind = "equal width") -> Network:
    return Network(depth, kind, "default")


def levels_by_depth(networks: Networks, kind: str, initialization: str) -> dict[int, Level[Network]]:
    """By depth."""
    return {
        network.depth: level
        for network, level in networks.items()
        if (network.kind, network.initialization) == (kind, initialization)
    }


def network_name(network: Network) -> str:
    return f"{plural(network.depth, 'hidden layer')} ({network.kind}, {network.initialization} start)"

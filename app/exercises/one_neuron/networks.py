"""The networks with a bottleneck of one neuron or more, and what becomes of their runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from app.charts.rows import DiagnosticsRow, TrialRow
from app.exercises.answers.diagnosed import DiagnosedRun
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.wording import chance
from app.exercises.exercise import Measurements, SweepData

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


def read_networks(measurements: Measurements) -> Networks:
    """The networks of both sweeps, narrow first."""
    all_levels: dict[Network, Level[Network]] = {}
    for data in measurements.values():
        all_levels |= levels(data.trials, network_of)
    return dict(sorted(all_levels.items(), key=lambda item: (item[0].bottleneck, item[0].activation != BOOK, item[0])))


def network_of(trial: TrialRow) -> Network | None:
    layers = trial.params.get("hidden_layers")
    if not isinstance(layers, list) or len(layers) not in (1, 3):
        return None
    return Network(int(layers[len(layers) // 2]), str(trial.params.get("activation", BOOK)), len(layers) == 1)


def widest_level(networks: Networks) -> Level[Network] | None:
    wider = [level for network, level in networks.items() if network.activation == BOOK and network.bottleneck > 1]
    return wider[-1] if wider else None


def outcome(data: SweepData, run: DiagnosedRun) -> Outcome:
    """Whether a run learned, and if not whether all neurons of its bottleneck are dead after its last epoch."""
    if run.value >= chance(data.sweep):
        return "learns"
    return "dead" if dead_share(run.last) == 1 else "alive at chance"


def dead_share(row: DiagnosticsRow) -> float:
    """The share of dead neurons in the middle one of its hidden layers."""
    return row.dead_share[len(row.dead_share) // 2]


def by_activation(runs: Sequence[DiagnosedRun]) -> dict[str, list[DiagnosedRun]]:
    by_activation: defaultdict[str, list[DiagnosedRun]] = defaultdict(list)
    for run in runs:
        by_activation[str(run.trial.params.get("activation", BOOK))].append(run)
    return dict(sorted(by_activation.items(), key=lambda item: item[0] != BOOK))

"""The table of networks, and the figure of their accuracies."""

from itertools import product

import plotly.graph_objects as go

from app.charts.rows import Axis
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.formatting import setting
from app.exercises.answers.levels import best_level, levels, levels_at, sound
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements, SweepData
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.hidden_layers.networks import SCRATCH, SWEEP, Networks, levels_by_depth, network_of


def depth_figure(measurements: Measurements, *, best_share: float = 1.0) -> go.Figure:
    """Accuracy by the number of hidden layers, a line for each kind of network and initialisation."""
    data = measurements[SWEEP]
    networks = levels(data.trials, lambda trial: network_of(data, trial))
    lines = []
    for kind, initialization in product(("equal width", "equal size"), ("default", SCRATCH)):
        single = levels_by_depth(networks, "equal width", initialization).get(1)  # of both kinds
        by_depth = ({} if single is None else {1: single}) | levels_by_depth(networks, kind, initialization)
        lines.append(LevelLine(f"{kind}, {initialization}", sorted(by_depth.items())))
    deepest = max((network.depth for network in networks), default=0)
    return levels_figure(
        data.sweep,
        "Accuracy by number of hidden layers",
        Axis("hidden layers", choices=tuple(range(deepest + 1))),
        lines,
        "0 layers: softmax regression",
        "normal: standard deviation 0.01",
        best_share=best_share,
    )


def curve_numbers(data: SweepData) -> set[int]:
    """The trials of one layer, of two and of the most, as wide as the one: more curves could not be told apart."""
    networks = {trial.number: network_of(data, trial) for trial in data.trials}
    deepest = max((network.depth for network in networks.values() if network), default=0)
    return {
        number
        for number, network in networks.items()
        if network and network.kind == "equal width" and network.depth in (1, 2, deepest)
    }


def table_rows(data: SweepData, networks: Networks) -> list[tuple[str, ...]]:
    shape = DATASETS[data.sweep.dataset].shape
    params = {network: trial.params for trial in data.trials if (network := network_of(data, trial)) is not None}
    numbers = {trial.number: network for trial in data.trials if (network := network_of(data, trial)) is not None}
    training = levels_at(data.epochs, numbers, "train_accuracy")
    return [
        (
            setting(params[network]["hidden_layers"]),
            network.initialization,
            f"{level.mean:.4f}" if level.n else "diverged",
            "" if level.std is None else f"{level.std:.4f}",
            f"{training[network].mean:.4f}" if network in training else "",
            runs_of(level),
            f"{MLPConfig.from_params(params[network]).parameter_count(*shape):,}",
        )
        for network, level in networks.items()
    ]


def best_row(networks: Networks) -> int | None:
    best = best_level(networks)
    return list(networks).index(best.setting) if best in sound(networks).values() and best else None

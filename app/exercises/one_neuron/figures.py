"""The table of bottlenecks, and the figures of what one neuron does."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.registry import chart
from app.charts.rows import Axis
from app.charts.theme import PALETTE, new_figure
from app.charts.titles import subtitle
from app.domain.formatting import plural
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs, median
from app.exercises.answers.levels import Level
from app.exercises.answers.shares import share_percent
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements, SweepData
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.one_neuron.networks import (
    ALONE,
    BOOK,
    ONE,
    OUTCOMES,
    PLACES,
    WIDTHS,
    Network,
    Networks,
    by_activation,
    dead_share,
    network_of,
    outcome,
    read_networks,
)

PANELS = 4  # runs whose number is drawn


def table_rows(measurements: Measurements, networks: Networks) -> list[tuple[str, ...]]:
    runs: defaultdict[Network, list[tuple[SweepData, DiagnosedRun]]] = defaultdict(list)
    for data in measurements.values():
        for run in diagnosed_runs(data):
            if (network := network_of(run.trial)) is not None:
                runs[network].append((data, run))
    return [_cells(network, level, runs[network]) for network, level in networks.items()]


def _cells(network: Network, level: Level[Network], runs: Sequence[tuple[SweepData, DiagnosedRun]]) -> tuple[str, ...]:
    at_chance = sum(outcome(data, run) != "learns" for data, run in runs)
    dead = fmean(dead_share(run.last) for _, run in runs) if runs else None
    return (
        f"{network.bottleneck}{', alone' if network.alone else ''}",
        network.activation,
        f"{level.mean:.4f}" if level.n else "diverged",
        "" if level.std is None else f"{level.std:.4f}",
        runs_of(level),
        f"{at_chance} of {len(runs)}" if runs else "",
        "" if dead is None else share_percent(dead),
        f"{median([run.last.distinct_outputs for _, run in runs]):g}" if runs else "",
    )


def accuracy_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by the width of the layer between two others, a line for each activation."""
    networks = {network: level for network, level in read_networks(measurements).items() if not network.alone}
    points_by_line: defaultdict[str, list[tuple[object, Level[Network]]]] = defaultdict(list)
    for network, level in networks.items():
        points_by_line[network.activation].append((network.bottleneck, level))
    choices = tuple(dict.fromkeys(network.bottleneck for network in networks))
    axis = Axis("neurons in the middle", log=True, choices=choices)
    lines = [LevelLine(name, own_points) for name, own_points in points_by_line.items()]
    seeds_note = f"wider ones: {plural(measurements[WIDTHS].sweep.seeds, 'seed')}"
    return levels_figure(measurements[ONE].sweep, "Accuracy by width of the bottleneck", axis, lines, seeds_note)


def outcomes_figure(measurements: Measurements) -> go.Figure:
    """For each place and activation, how many runs with one neuron learn, and of which the neuron is dead."""
    data, groups = measurements[ONE], _groups(measurements)
    title = "What becomes of runs with one neuron"
    text = subtitle(data.sweep, "alone: as the only hidden layer", "dead: as measured after the last epoch")
    if not groups:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    for (kind, name), color in zip(OUTCOMES.items(), (PALETTE[2], PALETTE[4], PALETTE[1]), strict=True):
        counts = [sum(outcome(data, run) == kind for run in runs) for runs in groups.values()]
        figure.add_bar(x=list(groups), y=counts, name=name, marker_color=color)
    figure.update_layout(barmode="stack").update_yaxes(title_text="runs")
    return figure.update_xaxes(title_text="activation of the neuron", type="category")


def number_figure(measurements: Measurements) -> go.Figure:
    """What the one neuron holds of each class, in the first run of each place, activation and outcome, ReLU first."""
    data = measurements[ONE]
    runs: dict[str, DiagnosedRun] = {}
    for name, own_runs in _groups(measurements).items():
        for run in own_runs:
            kind = outcome(data, run)
            runs.setdefault(name if kind == "learns" else f"{name}, {kind}", run)
    drawn_runs = sorted(runs.items(), key=lambda item: not item[0].startswith(BOOK))[:PANELS]
    trials = [run.trial._replace(number=i, params={"run": name}) for i, (name, run) in enumerate(drawn_runs)]
    rows = [run.last._replace(trial=i) for i, (_, run) in enumerate(drawn_runs)]
    return chart("diagnostics").figure(replace(data.sweep, best=None), trials, rows, {"measure": "bottleneck"})


def relu_numbers(data: SweepData) -> set[int]:
    """The trials with ReLU: of others hardly any neuron dies."""
    return {trial.number for trial in data.trials if trial.params.get("activation", BOOK) == BOOK}


def all_numbers(data: SweepData) -> set[int]:
    """All trials, of which none is the best: none is sought."""
    return {trial.number for trial in data.trials}


def _groups(measurements: Measurements) -> dict[str, list[DiagnosedRun]]:
    """The runs with one neuron by place and activation: `relu`, and `relu, alone`."""
    return {
        activation + (", alone" if place == ALONE else ""): runs
        for place in PLACES
        for activation, runs in by_activation(diagnosed_runs(measurements[place])).items()
    }

"""What the heat map is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.charts.axis import AxisPlan, Place
from app.charts.rows import TrialRow
from app.charts.value_scale import ValueScale

EPOCHS_AXIS = "epochs"  # as the y axis: the epochs of the learning curves, not those that trials were given

# What a place shows. seeds: nothing else varied, a cell is the mean over seeds. settings: a full grid, a cell is the
# mean over the settings of the others. best: a sampler chose the others, and a mean would show its preferences. points:
# a sampler chose from a range, and cells would show values where nothing was tried.
Kind = Literal["seeds", "settings", "best", "points"]


@dataclass(frozen=True)
class HeatmapOptions:
    """The axes."""

    x: str
    y: str = EPOCHS_AXIS


class Sample(NamedTuple):
    """One configuration at one place."""

    x: object
    y: object
    mean: float | None  # over the runs with a value
    std: float | None  # their sample standard deviation
    runs: int  # how many they are
    diverged: int  # runs that diverged
    trial: TrialRow  # the first of the configuration
    ended: int = 0  # its last epoch, where it ended between two that are drawn, and y is the next


class Cell(NamedTuple):
    """What is drawn at one place."""

    x: Place
    y: Place
    value: float | None  # None where all runs diverged
    diverged: int  # runs
    text: str
    trial: int | None  # whose value it is; None for a mean over several


@dataclass(frozen=True)
class HeatmapData:
    """What the chart shows."""

    title: str
    subtitle: str
    kind: Kind
    x: AxisPlan
    y: AxisPlan
    scale: ValueScale
    cells: Sequence[Cell]
    best: Cell | None  # the best configuration of the sweep
    best_name: str

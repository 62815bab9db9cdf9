"""What every chart is drawn from: plain values, read from the database elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True)
class Axis:
    """How one hyperparameter of the search space is to be drawn."""

    name: str
    log: bool = False
    choices: tuple[object, ...] | None = None  # in the order of the space; None for a range or a constant


@dataclass(frozen=True)
class SweepRow:
    """What a chart needs to know of a sweep. `metric` is e.g. `val_accuracy`; `maximize` is its direction.

    `curves` is how many trials have learning curves, where only those that are drawn are read.
    """

    name: str
    dataset: str
    split: str
    metric: str
    maximize: bool
    seeds: int
    axes: Mapping[str, Axis]
    objectives: Sequence[tuple[str, bool]] = ()  # metric and whether more is better, where there are several
    curves: int = 0


class RunRow(NamedTuple):
    """One training with one seed: its value, None when it diverged or has not finished."""

    seed: int
    value: float | None
    error: str | None = None


class TrialRow(NamedTuple):
    """One configuration: `value` is the mean over its runs, `std` their sample standard deviation.

    `epochs` are those that are recorded, summed over its runs. `values` and `stds` are those of each of several
    objectives. A tuple, as there are tens of thousands of them.
    """

    number: int
    state: str
    params: Mapping[str, object]
    value: float | None
    std: float | None
    runs: Sequence[RunRow] = ()
    finished_at: datetime | None = None
    epochs: int = 0
    values: Sequence[float] = ()
    stds: Sequence[float | None] = ()


class EpochRow(NamedTuple):
    """One point of a run's learning curve. Accuracies are fractions, `epoch` counts from 1."""

    trial: int
    seed: int
    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None

"""The rows that charts are drawn from, as plain values: sweep, trials, runs and epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.datasets import Target
from app.domain.objectives import Objective


@dataclass(frozen=True)
class Axis:
    """How one hyperparameter of the search space is to be drawn."""

    name: str
    log: bool = False  # whether the space calls it log
    choices: tuple[object, ...] | None = None  # in the order of the space; None for a range or a constant
    ends: tuple[float, float] | None = None  # of a range


class BestRow(NamedTuple):
    """The best configuration of a sweep, as headers and tables show it too."""

    number: int  # of its first trial
    value: float  # mean over all its runs
    std: float | None  # their sample standard deviation
    runs: int
    params: Mapping[str, object]
    test_accuracy: float | None = None  # once it has been scored


@dataclass(frozen=True)
class SweepRow:
    """What a chart needs to know of a sweep."""

    name: str
    dataset: str
    split: str
    objective: Objective  # what a trial's value is; the first of several
    seeds: int  # runs of a trial
    axes: Mapping[str, Axis]  # by hyperparameter
    objectives: Sequence[Objective] = ()  # all of them, where there are several
    trials_with_curves: int = 0  # where only the curves that are drawn are read
    is_grid: bool = False  # whether its trials are every cell of the space
    waits_at_rungs: bool = False  # whether its trials train in legs, from one rung to the next
    best: BestRow | None = None
    excluded_trials: int = 0  # that are not among the rows
    started_at: datetime | None = None
    task: str = "train_mlp"  # what its trials measure
    diagnostics: bool = False  # whether its networks are measured after each epoch
    target: Target = "class"  # of its data set
    unit: str = ""  # of its data set's target, where that is a number
    noun: str = "images"  # what its data set's examples are called
    lens: str = ""  # what of the sweep is in sight, in words; empty for all of it
    run_value: str = "last"  # which epochs count as the value of a run, as the lens calls them
    look_places: Mapping[int, int] = field(default_factory=dict)  # of trials with other looks than by their numbers


class RunRow(NamedTuple):
    """One training with one seed."""

    seed: int  # its index among the trial's
    value: float | None  # None when it diverged or has not finished
    error: str | None = None


class TrialRow(NamedTuple):
    """One configuration. A tuple, as there are tens of thousands of them."""

    number: int
    state: str
    params: Mapping[str, object]
    value: float | None  # mean over its runs
    std: float | None  # their sample standard deviation
    runs: Sequence[RunRow] = ()
    finished_at: datetime | None = None
    epochs: int = 0  # those that are recorded, summed over its runs
    configuration: str | None = None  # the same for all trials of one configuration
    excluded: bool = False
    error: str | None = None  # why it failed
    circumstances: Mapping[str, Any] | None = None  # what a timing was measured under
    started_at: datetime | None = None  # of its last attempt
    epochs_copied: int = 0  # of those that are recorded: trained by another trial
    without_mean: bool = False  # its configuration has none: a run of it diverged, in this trial or another
    values: Sequence[float] = ()  # one for each of several objectives
    stds: Sequence[float | None] = ()  # their sample standard deviations

    @property
    def epochs_trained(self) -> int:
        """Those that it was trained for itself, summed over its runs."""
        return self.epochs - self.epochs_copied


class AttemptRow(NamedTuple):
    """One attempt at a trial."""

    trial: int  # its number
    worker: str  # `host, process 12`
    start: datetime
    end: datetime
    state: str  # of the trial; of an attempt that came to nothing `lost`
    reason: str  # why it came to nothing, or nothing


class EpochRow(NamedTuple):
    """One point of a run's learning curve. What each figure is says app.domain.runs.EpochResult."""

    trial: int  # its number
    seed: int  # index of the run's
    epoch: int  # from 1
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    train_r2: float | None = None
    train_mae: float | None = None
    val_r2: float | None = None
    val_mae: float | None = None


class EpochMean(NamedTuple):
    """One trial's metric after an epoch, over its runs. A run that stopped early counts with its last epoch."""

    trial: int  # its number
    epoch: int  # from 1
    mean: float | None  # over the runs that had not diverged; None where all had
    std: float | None  # their sample standard deviation
    runs: int  # that had not diverged
    diverged: int  # that had
    gap: int = 0  # epochs to the next one that is drawn, where the trial ended between two

    @property
    def drawn_epoch(self) -> int:
        """The epoch of those that are drawn of all trials at which it stands among them."""
        return self.epoch + self.gap


class DiagnosticsRow(NamedTuple):
    """What a run's network did with a fixed sample after an epoch: app.domain.diagnostics says what each means."""

    trial: int  # its number
    seed: int  # index of the run's
    epoch: int  # 0: before the first step
    dead_share: Sequence[float]  # by hidden layer
    activation_rms: Sequence[float | None]  # by hidden layer, and of the logits
    gradient_rms: Sequence[float | None]  # by layer
    predicted_classes: int | None  # None where targets are numbers
    top_class_share: float | None
    distinct_outputs: int
    bottleneck: Sequence[Sequence[float | None]] | None  # quantiles by class

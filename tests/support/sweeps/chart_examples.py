"""Rows made by hand, small enough to check the charts' numbers without a computer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from app.charts.rows import Axis, BestRow, EpochRow, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective


def sweep(*axes: Axis, split: str = "holdout", metric: str = "val_accuracy", maximize: bool = True) -> SweepRow:
    return SweepRow("example", "digits", split, Objective(metric, maximize), 2, {axis.name: axis for axis in axes})


def with_best(sweep: SweepRow, trial: TrialRow) -> SweepRow:
    """The sweep with this trial as its best configuration, as the database would say."""
    assert trial.value is not None
    return replace(sweep, best=BestRow(trial.number, trial.value, trial.std, len(trial.runs), trial.params))


def complete(number: int, params: Mapping[str, object], *values: float) -> TrialRow:
    runs = tuple(RunRow(seed, value) for seed, value in enumerate(values))
    return TrialRow(number, "complete", params, fmean(values), stdev(values) if len(values) > 1 else None, runs)


def diverged(number: int, params: Mapping[str, object], *values: float | None) -> TrialRow:
    runs = tuple(
        RunRow(seed, value, None if value is not None else "diverged at epoch 1") for seed, value in enumerate(values)
    )
    return TrialRow(number, "failed", params, None, None, runs)


def pruned(number: int, params: Mapping[str, object], value: float) -> TrialRow:
    return TrialRow(number, "pruned", params, value, None, (RunRow(0, value),))


def waiting(number: int, params: Mapping[str, object]) -> TrialRow:
    return TrialRow(number, "waiting", params, None, None)


def curve(trial: int, seed: int, accuracies: Sequence[float | None]) -> list[EpochRow]:
    """Epochs whose training accuracy is 0.1 above the validation accuracy, and losses 1 minus those."""
    return [
        EpochRow(trial, seed, epoch, None, None, None, None)
        if accuracy is None
        else EpochRow(trial, seed, epoch, 0.9 - accuracy, accuracy + 0.1, 1 - accuracy, accuracy)
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]

"""Runs with what their networks did: their values, and what was measured before the first step and at the end."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from app.charts.rows import DiagnosticsRow, TrialRow
from app.exercises.exercise import SweepData

ENDED = ("complete", "failed")


class DiagnosedRun(NamedTuple):
    """A run that has ended, with its diagnostics."""

    trial: TrialRow
    seed: int
    value: float
    first: DiagnosticsRow  # before the first step
    last: DiagnosticsRow  # after the last epoch that was measured


def diagnosed_runs(data: SweepData) -> list[DiagnosedRun]:
    """The runs of ended trials that have a value and were measured from the beginning, by number and seed.

    A trial fails where one of its runs diverges; its other runs have values all the same.
    """
    rows: defaultdict[tuple[int, int], list[DiagnosticsRow]] = defaultdict(list)
    for row in data.diagnostics:
        rows[row.trial, row.seed].append(row)
    runs = []
    for trial in data.trials:
        for run in trial.runs if trial.state in ENDED and not trial.excluded else ():
            measured = sorted(rows.get((trial.number, run.seed), ()), key=lambda row: row.epoch)
            if run.value is not None and measured and measured[0].epoch == 0:
                runs.append(DiagnosedRun(trial, run.seed, run.value, measured[0], measured[-1]))
    return runs


def median(values: Sequence[float]) -> float:
    """The middle value, of an even number the lower one of the two: a size that some run has. Raises IndexError."""
    return sorted(values)[(len(values) - 1) // 2]

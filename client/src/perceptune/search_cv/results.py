"""The trials of a sweep as scikit-learn's `cv_results_`: the splits are the seeds, and more is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perceptune._models import TrialOut

ENDED_STATES = ("complete", "pruned", "failed")


def cv_results(trials: Sequence[TrialOut], *, minimized: bool) -> dict[str, Any]:
    """The columns, with a row for each trial that was begun. Scores are NaN where it was not trained to its end, and
    are negated where less is better."""
    trials = [trial for trial in trials if trial.state in ENDED_STATES]
    sign = -1.0 if minimized else 1.0
    scores = sign * _numbers(trial.value if _is_complete(trial) else None for trial in trials)
    return {
        "mean_fit_time": _numbers(_mean_seconds(trial) for trial in trials),
        **_params(trials),
        "params": [trial.params or {} for trial in trials],
        **{name: sign * values for name, values in _splits(trials).items()},
        "mean_test_score": scores,
        "std_test_score": _numbers(trial.std if _is_complete(trial) else None for trial in trials),
        "rank_test_score": _ranks(scores),
        "trial": np.array([trial.number for trial in trials], dtype=int),
        "state": np.array([trial.state for trial in trials], dtype=object),
    }


def _is_complete(trial: TrialOut) -> bool:
    return trial.state == "complete"


def _numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _mean_seconds(trial: TrialOut) -> float | None:
    return sum(run.seconds for run in trial.runs) / len(trial.runs) if trial.runs else None


def _params(trials: Sequence[TrialOut]) -> dict[str, Any]:
    """`param_*`: of each hyperparameter its values, masked where a trial has none."""
    columns: dict[str, Any] = {}
    for place, trial in enumerate(trials):
        for name, value in (trial.params or {}).items():
            if f"param_{name}" not in columns:
                columns[f"param_{name}"] = np.ma.MaskedArray(np.empty(len(trials), object), mask=True)
            columns[f"param_{name}"][place] = value
    return columns


def _splits(trials: Sequence[TrialOut]) -> dict[str, NDArray[np.float64]]:
    """`split0_test_score` and so on: of each seed the value of its run."""
    runs = [(place, run) for place, trial in enumerate(trials) if _is_complete(trial) for run in trial.runs]
    count = max((run.seed + 1 for _, run in runs), default=0)
    values = np.full((count, len(trials)), np.nan)
    for place, run in runs:
        values[run.seed, place] = np.nan if run.value is None else run.value
    return {f"split{seed}_test_score": values[seed] for seed in range(count)}


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    """1 is the best; equals share a rank, and those without a score the last."""
    costs = np.where(np.isnan(scores), np.inf, -scores)
    return (np.searchsorted(np.sort(costs), costs) + 1).astype(np.int32)

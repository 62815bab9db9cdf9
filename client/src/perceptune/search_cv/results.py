"""The configurations of a sweep as scikit-learn's `cv_results_`: the splits are the seeds, and more is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perceptune._models import RunOut, TrialOut

ENDED_STATES = ("complete", "pruned", "failed")


class Configuration(NamedTuple):
    """What has come of one configuration."""

    trial: TrialOut
    """Its first one that is complete, or else its first one."""
    complete: Sequence[TrialOut]
    runs: Sequence[RunOut]
    """Of its complete trials, one for each seed."""
    all_runs: Sequence[RunOut]
    """The same of all its trials."""

    @property
    def diverged(self) -> bool:
        """Whether one of its runs did, so that it has no mean."""
        return any(run.state == "diverged" for run in self.all_runs)

    @property
    def score(self) -> tuple[float | None, float | None]:
        """Mean and sample standard deviation over its runs."""
        if self.diverged or not self.complete:
            return None, None
        if len(self.complete) == 1:
            return self.trial.value, self.trial.std
        values = [run.value for run in self.runs if run.value is not None]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def cv_results(trials: Sequence[TrialOut], *, minimized: bool) -> dict[str, Any]:
    """The columns, with a row for each configuration that was begun, over the runs of all its trials. Scores are NaN
    where it was not trained to its end, and are negated where less is better."""
    items = _configurations([trial for trial in trials if trial.state in ENDED_STATES])
    firsts = [item.trial for item in items]
    means, stds = (_numbers(item.score[place] for item in items) for place in (0, 1))
    sign = -1.0 if minimized else 1.0
    scores = sign * means
    return {
        "mean_fit_time": _numbers(_mean_seconds(item.all_runs) for item in items),
        **_params(firsts),
        "params": [trial.params or {} for trial in firsts],
        **{name: sign * values for name, values in _splits(items).items()},
        "mean_test_score": scores,
        "std_test_score": stds,
        "rank_test_score": _ranks(scores),
        "trial": np.array([trial.number for trial in firsts], dtype=int),
        "state": np.array(["failed" if item.diverged else item.trial.state for item in items], dtype=object),
    }


def _configurations(trials: Sequence[TrialOut]) -> list[Configuration]:
    """By their first trials; a trial that was trained again has its configuration's further seeds."""
    groups: dict[object, list[TrialOut]] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        groups.setdefault(trial.configuration or trial.number, []).append(trial)
    return [_configuration(group) for group in groups.values()]


def _configuration(trials: Sequence[TrialOut]) -> Configuration:
    """What was excluded counts where there is nothing else."""
    counted = [trial for trial in trials if not trial.excluded] or trials
    complete = [trial for trial in counted if trial.state == "complete"]
    return Configuration((complete or counted)[0], complete, _runs(complete), _runs(counted))


def _runs(trials: Sequence[TrialOut]) -> list[RunOut]:
    """Their runs, the first of each seed: a trial that took over another one's result has the same."""
    runs: dict[int, RunOut] = {}
    for trial in trials:
        for run in trial.runs:
            runs.setdefault(run.seed, run)
    return [*runs.values()]


def _numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _mean_seconds(runs: Sequence[RunOut]) -> float | None:
    return sum(run.seconds for run in runs) / len(runs) if runs else None


def _params(trials: Sequence[TrialOut]) -> dict[str, Any]:
    """`param_*`: of each hyperparameter its values, masked where a trial has none."""
    columns: dict[str, Any] = {}
    for place, trial in enumerate(trials):
        for name, value in (trial.params or {}).items():
            if f"param_{name}" not in columns:
                columns[f"param_{name}"] = np.ma.MaskedArray(np.empty(len(trials), object), mask=True)
            columns[f"param_{name}"][place] = value
    return columns


def _splits(items: Sequence[Configuration]) -> dict[str, NDArray[np.float64]]:
    """`split0_test_score` and so on: of each seed the value of its run."""
    runs = [(place, run) for place, item in enumerate(items) for run in item.runs]
    count = max((run.seed + 1 for _, run in runs), default=0)
    values = np.full((count, len(items)), np.nan)
    for place, run in runs:
        values[run.seed, place] = np.nan if run.value is None else run.value
    return {f"split{seed}_test_score": values[seed] for seed in range(count)}


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    """1 is the best; equals share a rank, and those without a score the last."""
    costs = np.where(np.isnan(scores), np.inf, -scores)
    return (np.searchsorted(np.sort(costs), costs) + 1).astype(np.int32)

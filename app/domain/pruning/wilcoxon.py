"""The Wilcoxon pruner: a trial's runs against those of the best complete trial, seed by seed."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from app.domain.pruning import signed_rank
from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import WilcoxonPruner
from app.domain.pruning.verdicts import Verdict, WilcoxonVerdict


def prune(pruner: WilcoxonPruner, table: CurveTable, epoch: int, candidates: Sequence[int]) -> dict[int, Verdict]:
    """Prunes trials whose runs the signed-rank test finds worse than those of the best complete trial.

    A pair is one seed at this epoch: both trials saw the same examples in the same order, and seeds are independent.
    Epochs of one run are not, so they are no further pairs. The table has to keep runs.
    """
    values, objective = table.complete_values, table.objective
    best_trial = min(values, key=lambda number: objective.rank(values[number], number), default=None)
    best_runs = table.curves[best_trial].run_values.get(epoch, {}) if best_trial in table.curves else {}
    verdicts: dict[int, Verdict] = {}
    if best_trial is None or not best_runs:
        return verdicts
    runs = {number: table.curves[number].run_values[epoch] for number in candidates}
    best_mean = fmean(best_runs.values())
    for number, (p, pairs) in _p_values(runs, best_runs, maximize=objective.maximize).items():
        mean = fmean(runs[number].values())
        is_told = pairs >= max(2, pruner.n_startup_steps) and p < pruner.p_threshold
        if is_told and objective.is_better(best_mean, than=mean):
            verdicts[number] = WilcoxonVerdict(
                epoch=epoch,
                seeds=table.seeds,
                mean=mean,
                best_trial=best_trial,
                best_mean=best_mean,
                p=p,
                p_threshold=pruner.p_threshold,
                pairs=pairs,
            )
    return verdicts


def _p_values(
    runs: Mapping[int, Mapping[int, float]], best_runs: Mapping[int, float], *, maximize: bool
) -> dict[int, tuple[float, int]]:
    """The p of each trial's test, small where its values are worse than the best trial's, and its pairs, by number.

    Those with values of the same seeds, as nearly always all of them have, are tested together.
    """
    numbers_by_seeds: dict[tuple[int, ...], list[int]] = {}
    for number, values in runs.items():
        numbers_by_seeds.setdefault(tuple(seed for seed in values if seed in best_runs), []).append(number)
    results: dict[int, tuple[float, int]] = {}
    for seeds, numbers in numbers_by_seeds.items():
        values_by_trial = np.array([[runs[number][seed] for seed in seeds] for number in numbers])
        differences = values_by_trial - np.array([best_runs[seed] for seed in seeds])  # [trials, pairs]
        p_values = signed_rank.p_values(-differences if maximize else differences)
        results |= {number: (p, len(seeds)) for number, p in zip(numbers, p_values, strict=True)}
    return results

"""The Wilcoxon pruner: a trial's runs against those of the best complete trial, seed by seed."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import WilcoxonPruner
from app.domain.pruning.verdicts import Verdict, WilcoxonVerdict


def prune(pruner: WilcoxonPruner, table: CurveTable, epoch: int, candidates: Sequence[int]) -> dict[int, Verdict]:
    """Prunes trials whose runs the signed-rank test finds worse than those of the best complete trial.

    A pair is one seed at this epoch: both trials saw the same examples in the same order, and seeds are independent.
    Epochs of one run are not, so they are no further pairs. The table has to keep runs.
    """
    if not table.complete_values:
        return {}
    values = table.complete_values
    best_trial = min(values, key=lambda number: table.objective.rank(values[number], number))
    best_runs = table.curves[best_trial].run_values.get(epoch, {}) if best_trial in table.curves else {}
    verdicts: dict[int, Verdict] = {}
    for number in candidates:
        runs = table.curves[number].run_values[epoch]
        differences = [value - best_runs[seed] for seed, value in runs.items() if seed in best_runs]
        if len(differences) < max(2, pruner.n_startup_steps) or not any(differences):
            continue
        p = _one_sided_p(differences, maximize=table.objective.maximize)
        mean, best_mean = _mean(runs), _mean(best_runs)
        if p < pruner.p_threshold and table.objective.is_better(best_mean, than=mean):
            verdicts[number] = WilcoxonVerdict(
                epoch=epoch,
                seeds=table.seeds,
                mean=mean,
                best_trial=best_trial,
                best_mean=best_mean,
                p=p,
                p_threshold=pruner.p_threshold,
                pairs=len(differences),
            )
    return verdicts


def _one_sided_p(differences: Sequence[float], *, maximize: bool) -> float:
    """The p of Wilcoxon's signed-rank test, small where the trial's values are worse than the best trial's."""
    from scipy.stats import wilcoxon  # type: ignore[import-untyped]  # takes a second, for this pruner alone

    side = "less" if maximize else "greater"
    return float(wilcoxon(differences, alternative=side, zero_method="zsplit").pvalue)


def _mean(runs: Mapping[int, float]) -> float:
    return float(np.mean(list(runs.values())))

"""The median and the percentile pruner: a trial's best mean against the complete trials at the same epoch."""

from collections.abc import Sequence

import numpy as np

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import MedianPruner, PercentilePruner
from app.domain.pruning.verdicts import PercentileVerdict, Verdict
from app.domain.pruning.warmup import is_due


def prune(
    pruner: MedianPruner | PercentilePruner, table: CurveTable, epoch: int, candidates: Sequence[int]
) -> dict[int, Verdict]:
    """Prunes trials whose best mean so far is worse than the percentile of the complete trials.

    Nothing is pruned before `n_startup_trials` are complete and `n_min_trials` of them have a mean at this epoch.
    """
    if len(table.complete_values) < max(1, pruner.n_startup_trials) or not is_due(pruner, epoch):
        return {}
    means = list(table.means_at(epoch, table.complete_values).values())
    if len(means) < pruner.n_min_trials:
        return {}
    percentile = pruner.percentile if isinstance(pruner, PercentilePruner) else None
    border = _border(means, 50.0 if percentile is None else percentile, maximize=table.objective.maximize)
    verdicts: dict[int, Verdict] = {}
    for number in candidates:
        curve = table.curves[number]
        if curve.best_epoch is not None and table.objective.is_better(border, than=curve.best_mean):
            verdicts[number] = PercentileVerdict(
                epoch=epoch,
                seeds=table.seeds,
                mean=curve.best_mean,
                best_epoch=curve.best_epoch,
                border=border,
                compared_trials=len(means),
                percentile=percentile,
            )
    return verdicts


def _border(means: Sequence[float], percentile: float, *, maximize: bool) -> float:
    """The mean that the best `percentile` per cent reach."""
    return float(np.percentile(means, 100 - percentile if maximize else percentile))

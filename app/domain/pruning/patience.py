"""The patient pruner's own comparison: a trial's best mean of the last epochs with the best before them."""

from collections.abc import Sequence

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import PatientPruner
from app.domain.pruning.verdicts import PatienceVerdict


def find_stale(
    pruner: PatientPruner, table: CurveTable, epoch: int, candidates: Sequence[int]
) -> dict[int, PatienceVerdict]:
    """Trials that have not improved for more than `patience` epochs.

    As in Optuna these are the trials whose best mean in the last `patience + 1` epochs is worse than their best mean
    before, by more than `min_delta`.
    """
    best = max if table.objective.maximize else min
    margin = -pruner.min_delta if table.objective.maximize else pruner.min_delta
    stale_epochs = pruner.patience + 1
    verdicts = {}
    for number in candidates:
        means = list(table.curves[number].means.values())
        if len(means) <= stale_epochs:
            continue
        earlier_best, recent_best = best(means[:-stale_epochs]), best(means[-stale_epochs:])
        if table.objective.is_better(earlier_best + margin, than=recent_best):
            verdicts[number] = PatienceVerdict(
                epoch=epoch,
                seeds=table.seeds,
                mean=recent_best,
                stale_epochs=stale_epochs,
                earlier_best=earlier_best,
                min_delta=pruner.min_delta,
            )
    return verdicts

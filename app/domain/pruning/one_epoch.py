"""The one-epoch pruner: after their first epoch the best `keep` trials go on."""

from collections.abc import Sequence

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import OneEpochPruner
from app.domain.pruning.verdicts import RankVerdict, Verdict


def prune(pruner: OneEpochPruner, table: CurveTable, epoch: int, candidates: Sequence[int]) -> dict[int, Verdict]:
    """Prunes trials that are not among the best `keep` after epoch 1; of equal ones the earlier trials go on."""
    if epoch != 1:
        return {}
    means = table.means_at(epoch)
    best_first = sorted(means, key=lambda number: table.objective.rank(means[number], number))
    ranks = {number: rank for rank, number in enumerate(best_first, start=1)}
    return {
        number: RankVerdict(
            epoch=epoch,
            seeds=table.seeds,
            mean=means[number],
            rank=ranks[number],
            compared_trials=len(means),
            promoted_trials=pruner.keep,
        )
        for number in candidates
        if ranks[number] > pruner.keep
    }

"""The threshold pruner: a trial's mean against limits that the sweep sets."""

from collections.abc import Sequence

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import ThresholdPruner
from app.domain.pruning.verdicts import ThresholdVerdict, Verdict
from app.domain.pruning.warmup import is_due


def prune(pruner: ThresholdPruner, table: CurveTable, epoch: int, candidates: Sequence[int]) -> dict[int, Verdict]:
    """Prunes trials whose mean at this epoch is below `lower` or above `upper`."""
    if not is_due(pruner, epoch):
        return {}
    verdicts: dict[int, Verdict] = {}
    for number, mean in table.means_at(epoch, candidates).items():
        limit = _crossed_limit(pruner, mean)
        if limit is not None:
            verdicts[number] = ThresholdVerdict(epoch=epoch, seeds=table.seeds, mean=mean, limit=limit)
    return verdicts


def _crossed_limit(pruner: ThresholdPruner, mean: float) -> float | None:
    if pruner.lower is not None and mean < pruner.lower:
        return pruner.lower
    if pruner.upper is not None and mean > pruner.upper:
        return pruner.upper
    return None

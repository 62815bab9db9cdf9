"""Successive halving and hyperband: of all trials that reach a rung, the best go on.

Rungs are the epochs `first * reduction_factor ** k`. See Li et al. 2020, "A system for massively parallel
hyperparameter tuning", and Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization".
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import HyperbandPruner, SuccessiveHalvingPruner
from app.domain.pruning.verdicts import RungVerdict, Verdict


@dataclass(frozen=True)
class Rung:
    """An epoch at which trials are halved: which rung it is, and of which of hyperband's brackets."""

    epoch: int
    index: int
    bracket: int | None


def halve(
    pruner: SuccessiveHalvingPruner, table: CurveTable, epoch: int, candidates: Sequence[int]
) -> dict[int, Verdict]:
    """Prunes trials that are not among the best of all trials at a rung."""
    first_epoch = pruner.min_resource if pruner.min_resource != "auto" else max(table.max_epochs // 100, 1)
    first_epoch *= pruner.reduction_factor**pruner.min_early_stopping_rate
    rung = _rung_at(epoch, first_epoch, pruner.reduction_factor)
    return {} if rung is None else _prune_at(rung, pruner, table, candidates, competitors=table.curves)


def halve_in_brackets(
    pruner: HyperbandPruner, table: CurveTable, epoch: int, candidates: Sequence[int]
) -> dict[int, Verdict]:
    """Prunes trials that are not among the best of their bracket at a rung."""
    sizes = _bracket_sizes(pruner, table.max_epochs)
    verdicts: dict[int, Verdict] = {}
    for bracket in range(len(sizes)):
        first_epoch = pruner.min_resource * pruner.reduction_factor**bracket
        rung = _rung_at(epoch, first_epoch, pruner.reduction_factor, bracket)
        members = [number for number in candidates if _bracket_of(number, sizes, table.sweep_seed) == bracket]
        if rung is not None and members:
            competitors = [number for number in table.curves if _bracket_of(number, sizes, table.sweep_seed) == bracket]
            verdicts |= _prune_at(rung, pruner, table, members, competitors=competitors)
    return verdicts


def _prune_at(
    rung: Rung,
    pruner: SuccessiveHalvingPruner | HyperbandPruner,
    table: CurveTable,
    candidates: Iterable[int],
    *,
    competitors: Iterable[int],
) -> dict[int, Verdict]:
    """Of the competitors that have reached the rung, one in `reduction_factor` goes on, at least one."""
    objective = table.objective
    means = sorted(table.means_at(rung.epoch, competitors).values(), reverse=objective.maximize)
    promoted = max(len(means) // pruner.reduction_factor, 1) if len(means) > pruner.bootstrap_count else 0
    border = means[promoted - 1] if promoted else None
    return {
        number: RungVerdict(
            epoch=rung.epoch,
            seeds=table.seeds,
            mean=mean,
            rung=rung.index,
            bracket=rung.bracket,
            compared_trials=len(means),
            promoted_trials=promoted,
            border=border,
            bootstrap_count=pruner.bootstrap_count,
        )
        for number, mean in table.means_at(rung.epoch, candidates).items()
        if border is None or objective.is_better(border, than=mean)
    }


def _rung_at(epoch: int, first_epoch: int, factor: int, bracket: int | None = None) -> Rung | None:
    """The rung that the epoch is; None where it is none."""
    index = 0
    while first_epoch * factor**index < epoch:
        index += 1
    return Rung(epoch, index, bracket) if first_epoch * factor**index == epoch else None


def _bracket_sizes(pruner: HyperbandPruner, max_epochs: int) -> list[int]:
    """How many trials each bracket gets of their sum, as in Optuna."""
    last_epoch = pruner.max_resource if pruner.max_resource != "auto" else max_epochs
    count = max(math.floor(math.log(last_epoch / pruner.min_resource, pruner.reduction_factor)) + 1, 1)
    return [math.ceil(count * pruner.reduction_factor**s / (s + 1)) for s in reversed(range(count))]


def _bracket_of(number: int, sizes: Sequence[int], sweep_seed: int) -> int:
    """A trial's bracket follows from its number and the sweep's seed, where Optuna takes the study's name."""
    position = zlib.crc32(f"{sweep_seed}_{number}".encode()) % sum(sizes)
    for bracket, size in enumerate(sizes):
        position -= size
        if position < 0:
            return bracket
    raise AssertionError

"""Successive halving and hyperband as Optuna has them: a trial that reaches a rung is judged at once."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import HyperbandPruner, SuccessiveHalvingPruner
from app.domain.pruning.rungs import HalvingPruner, bracket_sizes, ladder
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
    index = ladder(pruner, None, table.max_epochs).rung_at(epoch)
    return {} if index is None else _prune_at(Rung(epoch, index, None), pruner, table, candidates, table.curves)


def halve_in_brackets(
    pruner: HyperbandPruner, table: CurveTable, epoch: int, candidates: Sequence[int]
) -> dict[int, Verdict]:
    """Prunes trials that are not among the best of their bracket at a rung."""
    sizes = bracket_sizes(pruner, table.max_epochs)
    verdicts: dict[int, Verdict] = {}
    for bracket in range(len(sizes)):
        index = ladder(pruner, bracket, table.max_epochs).rung_at(epoch)
        members = [number for number in candidates if _bracket_of(number, sizes, table.sweep_seed) == bracket]
        if index is not None and members:
            competitors = [number for number in table.curves if _bracket_of(number, sizes, table.sweep_seed) == bracket]
            verdicts |= _prune_at(Rung(epoch, index, bracket), pruner, table, members, competitors)
    return verdicts


def _prune_at(
    rung: Rung, pruner: HalvingPruner, table: CurveTable, candidates: Iterable[int], competitors: Iterable[int]
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


def _bracket_of(number: int, sizes: Sequence[int], sweep_seed: int) -> int:
    """A trial's bracket follows from its number and the sweep's seed, where Optuna takes the study's name."""
    position = zlib.crc32(f"{sweep_seed}_{number}".encode()) % sum(sizes)
    for bracket, size in enumerate(sizes):
        position -= size
        if position < 0:
            return bracket
    raise AssertionError

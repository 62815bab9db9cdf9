"""Rungs: the epochs at which successive halving and hyperband compare trials, and the brackets of hyperband.

The rungs of a bracket are the epochs `first * reduction_factor ** k`. See Li et al. 2020, "A system for massively
parallel hyperparameter tuning", and Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter
optimization".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.pruning.options import HyperbandPruner, PrunerOptions, SuccessiveHalvingPruner

HalvingPruner = SuccessiveHalvingPruner | HyperbandPruner


@dataclass(frozen=True)
class Ladder:
    """The rungs of one bracket."""

    first_epoch: int  # that of rung 0
    factor: int  # each rung has so many times the epochs of the one before

    def epoch_at(self, rung: int) -> int:
        """The epoch of a rung, counted from 0."""
        return self.first_epoch * int(self.factor**rung)

    def rung_at(self, epoch: int) -> int | None:
        """The rung that an epoch is; None where it is none."""
        rung = 0
        while self.epoch_at(rung) < epoch:
            rung += 1
        return rung if self.epoch_at(rung) == epoch else None


def ladder(pruner: HalvingPruner, bracket: int | None, max_epochs: int) -> Ladder:
    """The rungs of a bracket of hyperband, or of successive halving, whose bracket is None.

    `max_epochs` are those of the longest training that the search space holds.
    """
    if isinstance(pruner, HyperbandPruner):
        return Ladder(pruner.min_resource * pruner.reduction_factor ** (bracket or 0), pruner.reduction_factor)
    first_epoch = pruner.min_resource if pruner.min_resource != "auto" else max(max_epochs // 100, 1)
    return Ladder(first_epoch * pruner.reduction_factor**pruner.min_early_stopping_rate, pruner.reduction_factor)


def bracket_sizes(pruner: HyperbandPruner, max_epochs: int) -> list[int]:
    """How many trials each bracket gets of their sum, as in Optuna."""
    last_epoch = pruner.max_resource if pruner.max_resource != "auto" else max_epochs
    count = max(math.floor(math.log(last_epoch / pruner.min_resource, pruner.reduction_factor)) + 1, 1)
    return [math.ceil(count * pruner.reduction_factor**s / (s + 1)) for s in reversed(range(count))]


def next_bracket(sizes: Sequence[int], counts: Mapping[int, int], width: int) -> int:
    """The bracket that the next `width` trials of a sweep go to, all of them so that they train together.

    It is the one that lacks most of its share, given how many trials each bracket has so far.
    """
    n_trials = sum(counts.values()) + width
    lacking = [size / sum(sizes) * n_trials - counts.get(bracket, 0) for bracket, size in enumerate(sizes)]
    return lacking.index(max(lacking))


def waits_at_rungs(pruner: PrunerOptions | None) -> HalvingPruner | None:
    """The pruner, where its trials wait at rungs until they are promoted; None where trials are judged at once."""
    if isinstance(pruner, SuccessiveHalvingPruner | HyperbandPruner) and pruner.mode == "promotion":
        return pruner
    return None

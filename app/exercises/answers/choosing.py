"""What choosing the best of several settings comes to when other seeds choose than those that are judged."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, TypeVar

from app.exercises.answers.levels import Level, sound

K = TypeVar("K")


def held_out(all_levels: Mapping[K, Level[K]]) -> Level[Any] | None:
    """By seed, the value there of the setting that is best over the other seeds; None with fewer than two seeds.

    The best of several means is a little too good, as it was chosen for its luck too. Here a seed does not choose the
    setting that is judged on it. Settings with diverged runs are no candidates.
    """
    candidates = list(sound(all_levels).values())
    seeds = set.intersection(*(set(level.values) for level in candidates)) if candidates else set()
    if len(seeds) < 2:
        return None
    values = {}
    for seed in sorted(seeds):
        best = max(candidates, key=lambda level: _mean_without(level, seed, seeds))
        values[seed] = best.values[seed]
    return Level("held out", values)


def _mean_without(level: Level[Any], seed: int, seeds: set[int]) -> float:
    return fmean(level.values[other_seed] for other_seed in seeds if other_seed != seed)

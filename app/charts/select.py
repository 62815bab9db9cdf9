"""The rows that a chart shows: the finished ones, in the order of their values, and not too many."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from app.charts.rows import SweepRow, TrialRow

CURVES = 12  # trials whose learning curves are drawn
EPOCHS = 200  # points a curve

T = TypeVar("T")


class Scored(NamedTuple):
    """A finished trial and its value, which is finite."""

    trial: TrialRow
    value: float


def finished(trials: Sequence[TrialRow]) -> list[Scored]:
    """The complete trials that have a value and are not excluded, by number."""
    return _scored(trial for trial in trials if trial.state == "complete" and not trial.excluded)


def pruned(trials: Sequence[TrialRow]) -> list[Scored]:
    """The pruned trials with their last values, by number."""
    return _scored(trial for trial in trials if trial.state == "pruned" and not trial.excluded)


def excluded(trials: Sequence[TrialRow]) -> list[Scored]:
    """The excluded trials that have a value, by number."""
    return _scored(trial for trial in trials if trial.excluded)


def _scored(trials: Iterable[TrialRow]) -> list[Scored]:
    scored = [Scored(trial, trial.value) for trial in trials if trial.value is not None and math.isfinite(trial.value)]
    return sorted(scored, key=lambda item: item.trial.number)


def count_failed(trials: Sequence[TrialRow]) -> int:
    """How many trials ended without a value: one of their runs diverged, or they could not be trained."""
    return sum(trial.state == "failed" and not trial.excluded for trial in trials)


def ranked(sweep: SweepRow, scored: Sequence[Scored]) -> list[Scored]:
    """The trials by their values alone, and of equals the earlier one first."""
    return sorted(scored, key=lambda item: sweep.objective.rank(item.value, item.trial.number))


def best_and_worst(sweep: SweepRow, trials: Sequence[TrialRow]) -> list[TrialRow]:
    """Of more trials than curves are drawn, those that are best and worst, by their values."""
    by_rank = [item.trial for item in ranked(sweep, [*finished(trials), *pruned(trials)])]
    return by_rank if len(by_rank) <= CURVES else by_rank[: CURVES // 2] + by_rank[-CURVES // 2 :]


def thinned(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, evenly spread, the first and the last among them."""
    if len(items) <= limit:
        return list(items)
    return [items[round(i * (len(items) - 1) / (limit - 1))] for i in range(limit)]


def quota(count: int, total: int, limit: int) -> int:
    """How many of `count` items may stay where `limit` of the total may, at least two."""
    return max(2, int(min(1.0, limit / max(total, 1)) * count))

"""Which trials to stop early, and why, in words: Optuna's pruners on the means over seeds. Pure.

Each rule is Optuna's of the same name, and tests hold it to Optuna's own decision. They stand here because the decision
and the comparison that is told must be one, because a cohort's trials reach an epoch at the same moment while Optuna
judges one after the other, and because all that a rule needs is a function of the curves: workers that know the same
rows decide the same, and nothing has to be kept. docs/adr/0007-pruning-by-curves.md.
"""

import math
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from app.domain.pruning.curves import CurveTable
from app.domain.pruning.options import (
    HyperbandPruner,
    MedianPruner,
    OneEpochPruner,
    PatientPruner,
    PercentilePruner,
    Pruner,
    PrunerOptions,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)

Reasons = dict[int, str]

_STORED: TypeAdapter[PrunerOptions] = TypeAdapter(Pruner)


def stored_pruner(options: Mapping[str, Any]) -> PrunerOptions:
    """The pruner whose options stand in a sweep's row."""
    return _STORED.validate_python(dict(options))


def reasons(pruner: PrunerOptions, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    """Why trials are to be pruned now, by number; the others go on.

    `asked` are numbers of trials that have just reached this epoch, as the board knows: they are judged together.
    """
    return _RULES[type(pruner)](pruner, board, epoch, [number for number in asked if epoch in _means(board, number)])


def needs_others(pruner: PrunerOptions) -> bool:
    """Whether other trials' curves matter to it."""
    if isinstance(pruner, PatientPruner):
        return pruner.wrapped is not None and needs_others(pruner.wrapped)
    return not isinstance(pruner, ThresholdPruner)


def compares_runs(pruner: PrunerOptions) -> bool:
    """Whether it compares single runs, not only their means."""
    inner = pruner.wrapped if isinstance(pruner, PatientPruner) else pruner
    return isinstance(inner, WilcoxonPruner)


def complete_trials_needed(pruner: PrunerOptions) -> int | None:
    """How many trials must be complete before it prunes; None where it compares trials that still train."""
    if isinstance(pruner, PatientPruner):
        return None if pruner.wrapped is None else complete_trials_needed(pruner.wrapped)
    if isinstance(pruner, MedianPruner | PercentilePruner):
        return max(1, pruner.n_startup_trials)
    return 1 if isinstance(pruner, WilcoxonPruner) else None


def _means(board: CurveTable, number: int) -> Mapping[int, float]:
    return board.curves[number].means if number in board.curves else {}


def _percentile(
    pruner: MedianPruner | PercentilePruner, board: CurveTable, epoch: int, asked: Sequence[int]
) -> Reasons:
    if len(board.complete) < max(1, pruner.n_startup_trials) or not _looks(pruner, epoch):
        return {}
    reached = [means[epoch] for number in board.complete if epoch in (means := _means(board, number))]
    if len(reached) < pruner.n_min_trials:
        return {}
    share = pruner.percentile if isinstance(pruner, PercentilePruner) else 50.0
    border = float(np.percentile(reached, 100 - share if board.maximize else share))
    found = {}
    for number in asked:
        best = board.curves[number].best
        assert best is not None
        if board.worse(best[1], border):
            mine, theirs = _apart(best[1], border)
            which = "mean" if best[0] == epoch else f"best mean (that of epoch {best[0]})"
            named = (
                f"the median {theirs} of {_trials(len(reached))}"
                if isinstance(pruner, MedianPruner)
                else f"{theirs}, the border of the best {share:g} % of {_trials(len(reached))}"
            )
            found[number] = f"epoch {epoch}: {which} {mine} over {_seeds(board)} is {_side(board)} {named}"
    return found


def _halving(pruner: SuccessiveHalvingPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    first = pruner.min_resource if pruner.min_resource != "auto" else max(board.longest // 100, 1)
    first *= pruner.reduction_factor**pruner.min_early_stopping_rate
    return _at_rung(pruner, board, first, epoch, asked, board.curves)


def _hyperband(pruner: HyperbandPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    brackets = _brackets(pruner, board)
    members: dict[int, list[int]] = {}
    for number in asked:
        members.setdefault(_bracket(board, brackets, number), []).append(number)
    found: Reasons = {}
    for bracket, numbers in members.items():
        first = pruner.min_resource * pruner.reduction_factor**bracket
        if _rung(first, pruner.reduction_factor, epoch) is not None:
            others = [number for number in board.curves if _bracket(board, brackets, number) == bracket]
            told = _at_rung(pruner, board, first, epoch, numbers, others)
            found |= {number: f"{words} of bracket {bracket}" for number, words in told.items()}
    return found


def _at_rung(
    pruner: SuccessiveHalvingPruner | HyperbandPruner,
    board: CurveTable,
    first: int,
    epoch: int,
    asked: Sequence[int],
    others: Collection[int],
) -> Reasons:
    """Of all trials that have reached a rung one in `reduction_factor` goes on, at least one. Li et al. 2020."""
    rung = _rung(first, pruner.reduction_factor, epoch)
    if rung is None or not asked:
        return {}
    reached = sorted((m[epoch] for number in others if epoch in (m := _means(board, number))), reverse=board.maximize)
    told = f"epoch {epoch}: mean %s over {_seeds(board)} is "
    if len(reached) <= pruner.bootstrap_count:
        few = f"one of {_trials(len(reached))}, and more than {pruner.bootstrap_count} must reach rung {rung}"
        return {number: told % _apart(_means(board, number)[epoch]) + few for number in asked}
    kept = max(len(reached) // pruner.reduction_factor, 1)
    border, found = reached[kept - 1], {}
    for number in asked:
        if board.worse(mean := _means(board, number)[epoch], border):
            mine, theirs = _apart(mean, border)
            best = f"the best {kept}" if kept > 1 else "the best"
            reach = f"{_side(board)} {theirs}, which {best} of {_trials(len(reached))} reached at rung {rung}"
            found[number] = told % mine + reach
    return found


def _rung(first: int, factor: int, epoch: int) -> int | None:
    """Which rung the epoch is: they are at first, first * factor, first * factor ** 2 and so on."""
    rung = 0
    while first * factor**rung < epoch:
        rung += 1
    return rung if first * factor**rung == epoch else None


def _brackets(pruner: HyperbandPruner, board: CurveTable) -> list[int]:
    """How many trials each bracket gets of their sum, as in Optuna."""
    longest = pruner.max_resource if pruner.max_resource != "auto" else board.longest
    count = max(math.floor(math.log(longest / pruner.min_resource, pruner.reduction_factor)) + 1, 1)
    return [math.ceil(count * pruner.reduction_factor**s / (s + 1)) for s in reversed(range(count))]


def _bracket(board: CurveTable, brackets: Sequence[int], number: int) -> int:
    """A trial's bracket follows from the sweep's seed and its number, as in Optuna from the study's name and that."""
    place = zlib.crc32(f"{board.seed}_{number}".encode()) % sum(brackets)
    for bracket, share in enumerate(brackets):
        place -= share
        if place < 0:
            return bracket
    raise AssertionError


def _threshold(pruner: ThresholdPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    if not _looks(pruner, epoch):
        return {}
    found = {}
    for number in asked:
        mean = _means(board, number)[epoch]
        low = pruner.lower is not None and mean < pruner.lower
        border = pruner.lower if low else pruner.upper
        if border is not None and (low or mean > border):
            mine, limit = _apart(mean, border)
            side = "below" if low else "above"
            found[number] = f"epoch {epoch}: mean {mine} over {_seeds(board)} is {side} the threshold {limit}"
    return found


def _patient(pruner: PatientPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    best = max if board.maximize else min
    waited, found = {}, {}
    for number in asked:
        means = list(_means(board, number).values())
        if len(means) > pruner.patience + 1:
            before, since = best(means[: -pruner.patience - 1]), best(means[-pruner.patience - 1 :])
            if board.worse(since, before - pruner.min_delta if board.maximize else before + pruner.min_delta):
                waited[number] = since, before
    if pruner.wrapped is not None:
        told = reasons(pruner.wrapped, board, epoch, list(waited))
        waited_for = f"it has not improved for {_count(pruner.patience + 1, 'epoch')}"
        return {number: f"{words}; {waited_for}" for number, words in told.items()}
    for number, (since, before) in waited.items():
        mine, theirs = _apart(since, before)
        by = f"more than {pruner.min_delta:g} " if pruner.min_delta else ""
        last = f"best mean {mine} over {_seeds(board)} in the last {_count(pruner.patience + 1, 'epoch')}"
        found[number] = f"epoch {epoch}: {last} is {by}{_side(board)} the best before, {theirs}"
    return found


def _wilcoxon(pruner: WilcoxonPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    """A pair is one seed at this epoch: both trials saw the same examples in the same order, and seeds are independent.

    Epochs of one run are not, so they are no further pairs.
    """
    from scipy.stats import wilcoxon  # type: ignore[import-untyped]  # takes a second, for this rule alone

    if not board.complete:
        return {}
    sign = 1 if board.maximize else -1
    best = min(board.complete, key=lambda number: (-sign * board.complete[number], number))
    theirs = board.curves[best].values.get(epoch, {}) if best in board.curves else {}
    found = {}
    for number in asked:
        mine = board.curves[number].values[epoch]
        differences = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
        if len(differences) < max(2, pruner.n_startup_steps) or not any(differences):
            continue
        side = "less" if board.maximize else "greater"
        p = float(wilcoxon(differences, alternative=side, zero_method="zsplit").pvalue)
        mean, other = np.mean(list(mine.values())), np.mean(list(theirs.values()))
        if p < pruner.p_threshold and board.worse(float(mean), float(other)):
            one, two = _apart(float(mean), float(other))
            test = f"p = {p:.3g} over {len(differences)} pairs, below {pruner.p_threshold:g}"
            told = f"mean {one} over {_seeds(board)} is {_side(board)} {two} of trial {best}, the best"
            found[number] = f"epoch {epoch}: {told} ({test})"
    return found


def _one_epoch(pruner: OneEpochPruner, board: CurveTable, epoch: int, asked: Sequence[int]) -> Reasons:
    if epoch != 1 or not asked:
        return {}
    means = board.at(1)
    sign = -1 if board.maximize else 1
    order = sorted(means, key=lambda number: (sign * means[number], number))
    ranks = {number: rank for rank, number in enumerate(order, start=1)}
    going = f"the best {pruner.keep} go on" if pruner.keep > 1 else "only the best goes on"
    return {
        number: f"epoch 1: mean {_apart(means[number])[0]} over {_seeds(board)} is number {ranks[number]} of "
        f"{_trials(len(means))}, and {going}"
        for number in asked
        if ranks[number] > pruner.keep
    }


def _looks(pruner: MedianPruner | PercentilePruner | ThresholdPruner, epoch: int) -> bool:
    """Whether the pruner looks in this epoch; like Optuna's it makes up in the first for a look at step 0."""
    since = epoch - pruner.n_warmup_steps
    return since >= 0 and (since % pruner.interval_steps == 0 or epoch == 1)


def _apart(*numbers: float) -> tuple[str, ...]:
    """The numbers with four digits, or with as many as tell different ones apart."""
    for digits in range(4, 18):
        texts = tuple(f"{number:.{digits}g}" for number in numbers)
        if len(set(texts)) == len(set(numbers)):
            break
    return texts


def _side(board: CurveTable) -> str:
    return "below" if board.maximize else "above"


def _seeds(board: CurveTable) -> str:
    return _count(board.runs, "seed")


def _trials(count: int) -> str:
    return _count(count, "trial")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


_RULES: dict[type, Callable[[Any, CurveTable, int, Sequence[int]], Reasons]] = {
    MedianPruner: _percentile,
    PercentilePruner: _percentile,
    SuccessiveHalvingPruner: _halving,
    HyperbandPruner: _hyperband,
    ThresholdPruner: _threshold,
    PatientPruner: _patient,
    WilcoxonPruner: _wilcoxon,
    OneEpochPruner: _one_epoch,
}

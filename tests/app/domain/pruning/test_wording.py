"""What pruners say of the trials that they end, and which trials they compare."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.objectives import Objective
from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import stored_pruner
from app.domain.pruning.rules import compares_trials, complete_trials_needed, prune
from app.domain.pruning.verdicts import RungVerdict
from app.domain.pruning.wording import sentence

SEED = 5


def reason(
    options: dict[str, Any],
    complete_curves: Sequence[Sequence[float]],
    curve: Sequence[float],
    *,
    maximize: bool = True,
    seeds: int = 3,
    max_epochs: int = 100,
) -> str | None:
    """What is said of a trial at its last epoch here, after complete trials; every run has the same values."""
    table = CurveTable(Objective("val_accuracy", maximize), seeds, max_epochs, SEED, keep_runs=True)
    for number, means in enumerate([*complete_curves, curve]):
        table.add(number, dict.fromkeys(range(seeds), means))
        if number < len(complete_curves):
            table.complete_values[number] = means[-1]
    number = len(complete_curves)
    verdict = prune(stored_pruner(options), table, len(curve), [number]).get(number)
    return None if verdict is None else sentence(verdict)


@pytest.mark.parametrize(
    ("options", "complete_curves", "curve", "words"),
    [
        (
            {"name": "median", "n_startup_trials": 3},
            [[0.5, 0.75], [0.6, 0.781], [0.7, 0.9]],
            [0.4, 0.712],
            "epoch 2: mean 0.712 over 3 seeds is below the median 0.781 of 3 trials",
        ),
        (
            {"name": "median", "n_startup_trials": 0},
            [[0.5, 0.9]],
            [0.7, 0.6],
            "epoch 2: best mean (that of epoch 1) 0.7 over 3 seeds is below the median 0.9 of 1 trial",
        ),
        (
            {"name": "percentile", "percentile": 25.0, "n_startup_trials": 0},
            [[0.1], [0.2], [0.3], [0.4], [0.5]],
            [0.39999],
            "epoch 1: mean 0.39999 over 3 seeds is below 0.4, the border of the best 25 % of 5 trials",
        ),
        (
            {"name": "successive_halving"},
            [[0.1], [0.2], [0.3], [0.4], [0.5], [0.6], [0.7]],
            [0.55],
            "epoch 1: mean 0.55 over 3 seeds is below 0.6, which the best 2 of 8 trials reached at rung 0",
        ),
        (
            {"name": "successive_halving", "min_resource": 1, "bootstrap_count": 4},
            [[0.1], [0.2]],
            [0.55],
            "epoch 1: mean 0.55 over 3 seeds is one of 3 trials, and more than 4 must reach rung 0",
        ),
        (
            {"name": "hyperband", "max_resource": 1},
            [[0.1], [0.7]],
            [0.55],
            "epoch 1: mean 0.55 over 3 seeds is below 0.7, which the best of 3 trials reached at rung 0 of bracket 0",
        ),
        (
            {"name": "hyperband", "max_resource": 1, "bootstrap_count": 5},
            [[0.1], [0.7]],
            [0.55],
            "epoch 1: mean 0.55 over 3 seeds is one of 3 trials, and more than 5 must reach rung 0 of bracket 0",
        ),
        (
            {"name": "patient", "patience": 1},
            [],
            [0.5, 0.75, 0.7, 0.6],
            "epoch 4: best mean 0.7 over 3 seeds in the last 2 epochs is below the best before, 0.75",
        ),
        (
            {"name": "patient", "patience": 0, "min_delta": 0.01},
            [],
            [0.5, 0.25],
            "epoch 2: best mean 0.25 over 3 seeds in the last 1 epoch is more than 0.01 below the best before, 0.5",
        ),
        (
            {"name": "patient", "patience": 1, "wrapped": {"name": "median", "n_startup_trials": 0}},
            [[0.9, 0.9, 0.9, 0.9]],
            [0.5, 0.75, 0.7, 0.6],
            "epoch 4: best mean (that of epoch 2) 0.75 over 3 seeds is below the median 0.9 of 1 trial; "
            "it has not improved for 2 epochs",
        ),
        (
            {"name": "threshold", "lower": 0.5},
            [],
            [0.25],
            "epoch 1: mean 0.25 over 3 seeds is below the threshold 0.5",
        ),
        (
            {"name": "threshold", "upper": 0.2},
            [],
            [0.25],
            "epoch 1: mean 0.25 over 3 seeds is above the threshold 0.2",
        ),
        (
            {"name": "one_epoch", "keep": 2},
            [[0.5], [0.9], [0.8]],
            [0.7],
            "epoch 1: mean 0.7 over 3 seeds is number 3 of 4 trials, and the best 2 go on",
        ),
        (
            {"name": "one_epoch", "keep": 1},
            [[0.5], [0.9]],
            [0.7],
            "epoch 1: mean 0.7 over 3 seeds is number 2 of 3 trials, and only the best goes on",
        ),
    ],
)
def test_the_comparison_is_told_in_words_and_numbers(
    options: dict[str, Any], complete_curves: list[list[float]], curve: list[float], words: str
) -> None:
    """Epoch, mean, seeds, and what it was compared with; as many digits as tell the numbers apart."""
    assert reason(options, complete_curves, curve) == words


def test_a_verdict_holds_the_numbers_that_decided() -> None:
    """Two of five go on from the first rung, and the one that is pruned is told by how much it fell short."""
    table = CurveTable(Objective("val_loss", maximize=False), seeds=1, max_epochs=9, sweep_seed=SEED)
    for number, mean in enumerate([0.3, 0.1, 0.5, 0.2, 0.4]):
        table.add(number, {0: [mean]})
    pruner = stored_pruner({"name": "successive_halving", "min_resource": 1, "reduction_factor": 2})
    expected = RungVerdict(
        epoch=1,
        seeds=1,
        mean=0.5,
        rung=0,
        bracket=None,
        compared_trials=5,
        promoted_trials=2,
        border=0.2,
        bootstrap_count=0,
    )
    assert prune(pruner, table, 1, [1, 2, 3]) == {2: expected}


def test_to_minimize_the_words_turn_round() -> None:
    """A loss above the median is the worse one."""
    words = reason({"name": "median", "n_startup_trials": 0}, [[0.5]], [0.7], maximize=False, seeds=1)
    assert words == "epoch 1: mean 0.7 over 1 seed is above the median 0.5 of 1 trial"


def test_wilcoxon_tells_the_p_and_the_pairs() -> None:
    """Five seeds, all worse than the best trial's: p is 1/32."""
    words = reason({"name": "wilcoxon"}, [[0.6], [0.75]], [0.5], seeds=5)
    assert (
        words
        == "epoch 1: mean 0.5 over 5 seeds is below 0.75 of trial 1, the best (p = 0.0312 over 5 pairs, below 0.1)"
    )
    assert reason({"name": "wilcoxon"}, [[0.75]], [0.75], seeds=5) is None


def test_the_best_k_of_one_epoch_are_exactly_k() -> None:
    """Of equal ones the earlier go on."""
    table = CurveTable(Objective("val_accuracy"), seeds=1, max_epochs=5, sweep_seed=0)
    for number, mean in enumerate([0.5, 0.9, 0.5, 0.5, 0.1]):
        table.add(number, {0: [mean]})
    assert set(prune(stored_pruner({"name": "one_epoch", "keep": 3}), table, 1, range(5))) == {3, 4}


def test_a_run_that_stopped_early_counts_with_its_last_value_and_a_diverged_one_ends_the_means() -> None:
    """Seed 1 stops after the first epoch, then seed 0 diverges: no mean from there on, and nothing is pruned."""
    table = CurveTable(Objective("val_accuracy"), seeds=2, max_epochs=5, sweep_seed=0)
    table.add(0, {0: [0.2, 0.4], 1: [0.4]})
    table.add(0, {0: [None]})
    assert table.curves[0].means == pytest.approx({1: 0.3, 2: 0.4})
    pruner = stored_pruner({"name": "threshold", "lower": 0.9})
    assert set(prune(pruner, table, 2, [0])) == {0}
    assert prune(pruner, table, 3, [0]) == {}


def test_rungs_begin_at_a_hundredth_of_the_longest_training() -> None:
    """With auto and 300 epochs the first rung is epoch 3, as Optuna finds once a trial is complete."""
    for epoch, judged in [(1, False), (2, False), (3, True), (4, False), (12, True)]:
        words = reason({"name": "successive_halving"}, [[0.9] * epoch], [0.1] * epoch, max_epochs=300)
        assert (words is not None) == judged


def test_which_pruners_wait_for_complete_trials() -> None:
    """The median does, also inside another; rungs compare trials that still train; a threshold needs nobody."""
    wrapped = {"name": "patient", "wrapped": "median"}
    pruners = [stored_pruner({"name": name}) for name in ("median", "wilcoxon", "hyperband", "patient")]
    pruners.insert(3, stored_pruner(wrapped))
    assert [complete_trials_needed(pruner) for pruner in pruners] == [5, 1, None, 5, None]
    assert [compares_trials(pruner) for pruner in pruners] == [True, True, True, True, False]

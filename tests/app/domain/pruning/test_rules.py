"""Each pruner against Optuna's own of that name, on the same curves; and what it says."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

from app.domain.objectives import Objective
from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import stored_pruner
from app.domain.pruning.rules import compares_trials, complete_trials_needed, prune
from app.domain.pruning.verdicts import RungVerdict
from app.domain.pruning.wording import sentence

Curves = NDArray[np.float64]  # [trials, seeds, epochs]
Pruners = optuna.pruners

SEED = 5
CASES: list[tuple[dict[str, Any], Callable[[], optuna.pruners.BasePruner]]] = [
    ({"name": "median"}, Pruners.MedianPruner),
    (
        {"name": "median", "n_startup_trials": 2, "n_warmup_steps": 3, "interval_steps": 2, "n_min_trials": 3},
        lambda: Pruners.MedianPruner(2, 3, 2, n_min_trials=3),
    ),
    ({"name": "percentile"}, lambda: Pruners.PercentilePruner(25.0)),
    (
        {"name": "percentile", "percentile": 70.0, "n_startup_trials": 0, "interval_steps": 3},
        lambda: Pruners.PercentilePruner(70.0, 0, 0, 3),
    ),
    ({"name": "successive_halving", "min_resource": 1}, lambda: Pruners.SuccessiveHalvingPruner(1)),
    (
        {"name": "successive_halving", "min_resource": 2, "reduction_factor": 2, "min_early_stopping_rate": 1},
        lambda: Pruners.SuccessiveHalvingPruner(2, 2, 1),
    ),
    (
        {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3, "bootstrap_count": 2},
        lambda: Pruners.SuccessiveHalvingPruner(1, 3, 0, 2),
    ),
    ({"name": "hyperband", "max_resource": 9}, lambda: Pruners.HyperbandPruner(1, 9)),
    (
        {"name": "hyperband", "min_resource": 2, "max_resource": 8, "reduction_factor": 2},
        lambda: Pruners.HyperbandPruner(2, 8, 2),
    ),
    ({"name": "patient", "patience": 2}, lambda: Pruners.PatientPruner(None, 2)),
    (
        {"name": "patient", "patience": 1, "min_delta": 0.05, "wrapped": "median"},
        lambda: Pruners.PatientPruner(Pruners.MedianPruner(), 1, 0.05),
    ),
    ({"name": "threshold", "lower": 0.4}, lambda: Pruners.ThresholdPruner(lower=0.4)),
    (
        {"name": "threshold", "lower": 0.2, "upper": 0.8, "n_warmup_steps": 2, "interval_steps": 2},
        lambda: Pruners.ThresholdPruner(0.2, 0.8, 2, 2),
    ),
]


def noisy_curves(trials: int = 60, seeds: int = 2, epochs: int = 9, noise: float = 0.05) -> Curves:
    """Curves that rise towards different heights, with noise."""
    draw = np.random.default_rng(0)
    heights = draw.uniform(0.1, 0.9, (trials, 1, 1))
    rise = 1 - np.exp(-np.arange(1, epochs + 1) / draw.uniform(1, 5, (trials, 1, 1)))
    curves: Curves = heights * rise + draw.normal(0, noise, (trials, seeds, epochs))
    return curves


def table_of(curves: Curves, maximize: bool) -> CurveTable:
    """An empty table for these curves."""
    objective = Objective("val_accuracy", maximize)
    return CurveTable(objective, curves.shape[1], max_epochs=curves.shape[2], sweep_seed=SEED, keep_runs=True)


def pruned_here(options: dict[str, Any], curves: Curves, maximize: bool) -> list[tuple[int, int]]:
    """(trial, epoch) of each that is pruned, one trial after the other; none after its last epoch."""
    pruner, table, pruned = stored_pruner(options), table_of(curves, maximize), []
    for number, runs in enumerate(curves):
        for epoch, values in enumerate(runs.T, start=1):
            table.add(number, {seed: [value] for seed, value in enumerate(values.tolist())})
            if epoch < runs.shape[1] and prune(pruner, table, epoch, [number]):
                pruned.append((number, epoch))
                break
        else:
            table.complete_values[number] = table.curves[number].means[runs.shape[1]]
    return pruned


def pruned_by_optuna(pruner: optuna.pruners.BasePruner, curves: Curves, maximize: bool) -> list[tuple[int, int]]:
    """The same, as Optuna decides in its own loop."""
    pruned = []

    def objective(trial: optuna.Trial) -> float:
        means = [float(values.mean()) for values in curves[trial.number].T]
        for epoch, mean in enumerate(means, start=1):
            trial.report(mean, epoch)
            if epoch < len(means) and trial.should_prune():
                pruned.append((trial.number, epoch))
                raise optuna.TrialPruned
        return means[-1]

    study = optuna.create_study(study_name=str(SEED), direction="maximize" if maximize else "minimize", pruner=pruner)
    study.optimize(objective, n_trials=len(curves))
    return pruned


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(("options", "make"), CASES)
def test_decides_as_optuna_does(
    options: dict[str, Any], make: Callable[[], optuna.pruners.BasePruner], maximize: bool
) -> None:
    """Sixty trials one after the other: the same ones are pruned, in the same epochs, and some go on."""
    curves = noisy_curves() if maximize else 1 - noisy_curves()
    pruned = pruned_here(options, curves, maximize)
    assert pruned == pruned_by_optuna(make(), curves, maximize)
    assert 0 < len(pruned) < len(curves)


@pytest.mark.parametrize("maximize", [True, False])
def test_halving_judges_a_cohort_as_optuna_judges_each_after_all_others(maximize: bool) -> None:
    """Trials that reach a rung together: each as if Optuna had heard of all others before."""
    curves = noisy_curves(trials=40, epochs=4)
    table = table_of(curves, maximize)
    for number, runs in enumerate(curves):
        table.add(number, dict(enumerate(runs[:, :1].tolist())))
    pruner = stored_pruner({"name": "successive_halving", "min_resource": 1, "reduction_factor": 3})
    pruned = set(prune(pruner, table, 1, range(40)))
    means = {number: curve.means[1] for number, curve in table.curves.items()}
    assert pruned == {n for n in means if optuna_prunes_after(means, n, maximize)}
    assert len(pruned) == 40 - 13


def optuna_prunes_after(means: dict[int, float], number: int, maximize: bool) -> bool:
    halving = Pruners.SuccessiveHalvingPruner(1, 3)
    study = optuna.create_study(direction="maximize" if maximize else "minimize", pruner=halving)
    state = optuna.trial.TrialState.RUNNING
    for competitor, mean in means.items():
        if competitor != number:
            attrs = {"completed_rung_0": mean}
            study.add_trial(optuna.trial.create_trial(state=state, system_attrs=attrs, intermediate_values={1: mean}))
    trial = study.ask()
    trial.report(means[number], 1)
    return trial.should_prune()


@pytest.mark.parametrize("maximize", [True, False])
def test_wilcoxon_pairs_the_seeds_of_one_epoch_as_optuna_pairs_instances(maximize: bool) -> None:
    """Each trial against the best one before it: pruned where Optuna prunes it with the seeds as instances."""
    curves = noisy_curves(trials=40, seeds=5, noise=0.15)
    pruned = pruned_here({"name": "wilcoxon"}, curves, maximize)
    assert pruned == pruned_by_optuna_seed_by_seed(curves, maximize)
    assert 0 < len(pruned) < len(curves)


def pruned_by_optuna_seed_by_seed(curves: Curves, maximize: bool) -> list[tuple[int, int]]:
    pruned: list[tuple[int, int]] = []
    complete: list[int] = []
    for number, runs in enumerate(curves):
        epochs = range(1, runs.shape[1])
        last_epoch = next((epoch for epoch in epochs if seeds_prune(curves, complete, number, epoch, maximize)), None)
        if last_epoch is None:
            complete.append(number)
        else:
            pruned.append((number, last_epoch))
    return pruned


def seeds_prune(curves: Curves, complete: Sequence[int], number: int, epoch: int, maximize: bool) -> bool:
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        pruner = Pruners.WilcoxonPruner()
    study = optuna.create_study(direction="maximize" if maximize else "minimize", pruner=pruner)
    for complete_number in complete:
        values = dict(enumerate(curves[complete_number, :, epoch - 1].tolist()))
        study.add_trial(
            optuna.trial.create_trial(value=curves[complete_number, :, -1].mean(), intermediate_values=values)
        )
    trial = study.ask()
    for seed, value in enumerate(curves[number, :, epoch - 1].tolist()):
        trial.report(value, seed)
    return trial.should_prune()


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

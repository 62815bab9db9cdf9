"""Each pruner against Optuna's own of that name, on the same curves."""

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
from app.domain.pruning.rules import prune

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

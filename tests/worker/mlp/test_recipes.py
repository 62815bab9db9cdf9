"""Every way to train, fused, against torch.optim and torch.nn one network at a time."""

from collections.abc import Hashable
from dataclasses import replace
from itertools import product
from math import nan
from typing import Any

import pytest
import torch

from app.domain.configuration import ACTIVATIONS, INITIALIZATIONS, LR_SCHEDULES, OPTIMIZERS, MLPConfig
from app.domain.runs import Run
from tests.support.training.learning_curves import curves, losses, numbers
from tests.support.training.mlp_examples import (
    CLASSES,
    FEATURES,
    RATES,
    SHAPES,
    distance,
    fused_after,
    plain_after,
    recipes,
    small_split,
)
from worker.mlp.batch_norm import BatchNorm
from worker.mlp.evaluation import score
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.initializers import Layer, Parameters, initial_parameters
from worker.mlp.reference.concise import MLPConcise, train_concise
from worker.mlp.reference.scratch import MLPScratch
from worker.mlp.training import train

RECIPES = recipes(96)


def far(
    runs: list[Run], dtype: torch.dtype = torch.float64, steps: int = 20, bound: float = 1e-9
) -> dict[object, float]:
    """The runs whose parameters are not those of the same run alone, with the distance."""
    fused = fused_after(runs, dtype, steps)
    gaps = {
        run.key: distance(f, plain_after(MLPConcise, run, dtype, steps)) for run, f in zip(runs, fused, strict=True)
    }
    return {key: gap for key, gap in gaps.items() if not gap <= bound}


def test_the_examples_hold_every_pair() -> None:
    """So no rule is proven under one activation alone, and dropout and normalization with each of everything."""
    choices = {
        "optimizer": OPTIMIZERS,
        "activation": ACTIVATIONS,
        "initialization": INITIALIZATIONS,
        "lr_schedule": LR_SCHEDULES,
        "hidden_layers": SHAPES,
    }
    settings = [{name: getattr(run.config, name) for name in choices} for run in RECIPES]
    assert {(run["optimizer"], run["activation"]) for run in settings} == set(product(OPTIMIZERS, ACTIVATIONS))
    for name, values in choices.items():
        extras = [(run.config.dropout > 0, run.config.batch_norm) for run in RECIPES]
        pairs = {(run[name], extra) for run, extra in zip(settings, extras, strict=True)}
        assert pairs == set(product(values, product([False, True], repeat=2)))


def test_equals_torch_in_one_cohort() -> None:
    """After 20 steps in one cohort no parameter differs by more than 1e-9 from the same run's, trained alone."""
    assert far(RECIPES) == {}


@pytest.mark.parametrize("count", [1, 7, 64])
def test_equals_torch_in_ragged_cohorts(count: int) -> None:
    """Some runs, of whatever recipes, are a cohort as good as all of them."""
    assert far(RECIPES[-count:]) == {}


def test_equals_torch_in_float32() -> None:
    """One step in single precision agrees to 1e-5, wherever that is more than rounding.

    Two normalizations in a row take a scale away twice: the gradient of the first gain is 0, and what rounding leaves
    of it becomes a whole step of the adaptive rules.
    """
    runs = [run for run in RECIPES if not (run.config.batch_norm and run.config.optimizer in RATES)]
    assert len(runs) > 64
    assert far(runs, torch.float32, 1, 1e-5) == {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equals_torch_whatever_the_size_of_a_layer(optimizer: str) -> None:
    """Layers larger than what is changed at a time, and blocks of several runs, come out as small ones do."""
    config = MLPConfig((7000, 3), 0.001, optimizer=optimizer, momentum=0.9, weight_decay=0.01, batch_size=32)
    runs = [Run(i, replace(config, learning_rate=0.001 / (i + 1)), i) for i in range(2)]
    assert far(runs, steps=3) == {}


def test_the_scratch_network_decays_its_weights() -> None:
    """Plain descent with weight decay and a schedule is the same in all three implementations."""
    runs = [
        run for run in RECIPES if run.config.update_rule == "sgd" and not (run.config.dropout or run.config.batch_norm)
    ]
    assert len(runs) > 2
    gaps = [distance(*(plain_after(kind, run, torch.float64, 20) for kind in (MLPScratch, MLPConcise))) for run in runs]
    assert [gap for gap in gaps if not gap <= 1e-9] == []


def test_the_scratch_network_refuses_other_rules() -> None:
    """It is the book's, and has one rule."""
    for config in (MLPConfig(optimizer="adam"), MLPConfig(dropout=0.1), MLPConfig(batch_norm=True)):
        with pytest.raises(ValueError, match="plain sgd"):
            MLPScratch(config, initial_parameters(Run(0, config, 0), FEATURES, CLASSES))


def test_curves_are_those_of_the_plain_loop() -> None:
    """Losses of whole epochs, whose last batch is a partial one, agree; those of training with smoothed labels too."""
    runs = RECIPES[:48:5]
    together = curves(runs)
    for run in runs:
        alone = list(train_concise(run, small_split(), torch.float64))
        assert losses(together[run.key]) == pytest.approx(losses(alone), rel=0, abs=1e-9)


def test_a_run_does_not_depend_on_its_cohort() -> None:
    """Alone, with 6 others, with 63 others and in another order its losses are the same."""
    runs = RECIPES[1:64:9]
    among_64, reverse = curves(RECIPES[:64]), curves(RECIPES[:64][::-1])
    among_7 = curves(runs)
    for run in runs:
        alone = pytest.approx(losses(curves([run])[run.key]), rel=0, abs=1e-9)
        for by_run in (among_7, among_64, reverse):
            assert losses(by_run[run.key]) == alone


@pytest.mark.parametrize("extras", [{}, {"batch_norm": True, "dropout": 0.3}], ids=["bare", "extras"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_states_travel_when_neighbours_leave(optimizer: str, extras: dict[str, Any]) -> None:
    """A run goes on with its own momenta, statistics and count of steps when shorter runs have left."""
    config = MLPConfig((6, 3), 0.003, 3, 32, optimizer=optimizer, momentum=0.9, weight_decay=0.01, **extras)
    shorter = [Run(n, replace(config, hidden_layers=shape, epochs=n), 0) for n, shape in [(1, (5,)), (2, (6, 3))]]
    run = Run("x", config, 0)
    assert losses(curves([*shorter, run])["x"]) == pytest.approx(losses(curves([run])["x"]), rel=0, abs=1e-9)


@pytest.mark.parametrize("extras", [{}, {"batch_norm": True, "dropout": 0.3}], ids=["bare", "extras"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_diverging_run_leaves_its_neighbours_alone(optimizer: str, extras: dict[str, Any]) -> None:
    """Beside a run of NaN the others' numbers are bit for bit those beside a sane one."""
    config = MLPConfig((7, 5), 0.001, 3, 32, optimizer=optimizer, momentum=0.9, weight_decay=0.01, **extras)
    neighbours = [Run(i, replace(config, hidden_layers=shape), 0) for i, shape in enumerate([(), (7,), (7, 5), (3,)])]
    sane = Run("x", config, 0)
    wild = replace(sane, config=replace(config, learning_rate=float("nan")))
    beside_sane, beside_wild = curves([*neighbours, sane]), curves([*neighbours, wild])
    assert [result.diverged for result in beside_wild["x"]] == [True]
    for run in neighbours:
        assert numbers(beside_wild[run.key])[0] == numbers(beside_sane[run.key])[0]
        assert losses(beside_wild[run.key]) == pytest.approx(losses(beside_sane[run.key]), rel=0, abs=1e-9)


def test_a_last_batch_of_one_example_is_normalized_as_in_validation() -> None:
    """It has no variance; fused and alone it takes the running statistics and leaves them as they are."""
    run = Run(0, MLPConfig((6, 3), 0.1, 2, 23, batch_norm=True), 0)
    split = small_split()
    assert len(split.train_y) % 23 == 1
    alone = list(train_concise(run, split, torch.float64))
    assert losses(curves([run])[0]) == pytest.approx(losses(alone), rel=0, abs=1e-9)


def test_the_backward_pass_of_one_example_has_the_statistics_that_it_was_normalized_with() -> None:
    """A GPU reads them where those of a whole batch are, of which nothing may be left; a CPU finds them by itself."""
    z = torch.tensor([[1.0], [2.0]])
    norm = BatchNorm.of(z, torch.empty_like(z), torch.ones_like(z))
    norm.mean.fill_(nan)
    norm.inverse_std.fill_(nan)
    affine = Layer(torch.tensor([[2.0], [3.0]]), torch.zeros(2, 1))
    running = Layer(torch.tensor([[0.5], [1.0]]), torch.tensor([[4.0], [0.25]]))
    norm.forward(affine, running)
    assert norm.mean.tolist() == [0.5, 1.0]
    assert norm.inverse_std.tolist() == pytest.approx([0.5, 2.0], rel=1e-4)
    assert norm.y.flatten().tolist() == pytest.approx([0.5, 6.0], rel=1e-4)


def test_kept_parameters_of_a_normalized_run_are_plain_layers() -> None:
    """They score as the last validation did: the normalization is folded into them."""
    config = MLPConfig((6, 4), epochs=2, batch_size=32, batch_norm=True, dropout=0.2)
    final_parameters: dict[Hashable, Parameters] = {}
    *_, (last,) = train([Run("a", config, 0)], small_split(), dtype=torch.float64, final_parameters=final_parameters)
    assert [tuple(layer.weight.shape) for layer in final_parameters["a"]] == [(6, FEATURES), (4, 6), (CLASSES, 4)]
    got = score(config, final_parameters["a"], small_split().val_x, small_split().val_y)
    assert got[:2] == pytest.approx((last.val_loss, last.val_accuracy), rel=1e-12)


def test_refuses_networks_that_take_other_steps() -> None:
    """Two optimizers are two fused networks."""
    runs = [Run(0, MLPConfig((4,)), 0), Run(1, MLPConfig((4,), optimizer="adam"), 0)]
    members = [Member(run.config, initial_parameters(run, FEATURES, CLASSES)) for run in runs]
    with pytest.raises(ValueError, match="one kind"):
        FusedMLP(members, like=torch.empty(0))


@pytest.mark.parametrize("patience", [0, 2])
def test_patience_ends_a_run_that_no_longer_improves(patience: int) -> None:
    """It stops after so many epochs without a new lowest validation loss, as the plain loop does; 0 never stops it."""
    run = Run(0, MLPConfig((32,), 0.5, 40, 32, patience=patience), 0)
    by_run = curves([run, Run(1, replace(run.config, learning_rate=1e-4), 0)])
    alone = list(train_concise(run, small_split(), torch.float64))
    lowest = min(range(len(by_run[0])), key=lambda i: by_run[0][i].val_loss)
    assert [r.stopped for r in by_run[0]] == [r.stopped for r in alone]
    assert len(by_run[0]) == (lowest + 1 + patience if patience else 40)
    assert by_run[0][-1].stopped == bool(patience)
    assert len(by_run[1]) == 40

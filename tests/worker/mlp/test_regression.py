"""Regression: numbers as targets, against torch.nn with its own mean squared error, run by run."""

from collections.abc import Hashable
from dataclasses import replace

import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score

from app.domain.configuration import OPTIMIZERS, MLPConfig
from app.domain.datasets import Scaling
from app.domain.runs import EpochResult, Run
from tests.support.training.learning_curves import Curves, losses
from tests.support.training.mlp_examples import BATCH, FEATURES, distance, mixed_runs, recipes, small_split
from tests.support.training.recorded_steps import RecordedSteps
from worker.legs import checkpoint
from worker.legs.checkpoint import RunCheckpoint
from worker.mlp.evaluation import score
from worker.mlp.fused import network
from worker.mlp.fused.layout import Layout
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.reference.concise import MLPConcise, train_concise
from worker.mlp.reference.plain_training import score_of
from worker.mlp.reference.scratch import train_scratch
from worker.mlp.split import Split
from worker.mlp.training import Training, train

STD = 7.0  # of the target in its own units


def number_split() -> Split:
    """300 examples to train on and 90 to validate, with a number that a curve and noise make of their features."""
    split = small_split()
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(FEATURES, generator=generator, dtype=torch.float64) / FEATURES**0.5

    def targets(x: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(len(x), generator=generator, dtype=torch.float64)
        return torch.sin(x @ weights) + 0.3 * noise

    scaling = Scaling((0.0,) * FEATURES, (1.0,) * FEATURES, 0.0, STD)
    return Split(split.train_x, targets(split.train_x), split.val_x, targets(split.val_x), 0, scaling)


SPLIT = number_split()
RECIPES = [replace(run, config=replace(run.config, epochs=2, label_smoothing=0.0)) for run in recipes(48)]


def curves(runs: list[Run], recorder: RecordedSteps | None = None) -> Curves:
    by_run: Curves = {}
    for results in train(runs, SPLIT, dtype=torch.float64, recorder=recorder):
        for result in results:
            by_run.setdefault(result.key, []).append(result)
    return by_run


def figures(curve: list[EpochResult]) -> list[float]:
    """Every figure of a curve but its times."""
    points = [(r.train_loss, r.val_loss, r.train_r2, r.val_r2, r.train_mae, r.val_mae) for r in curve]
    return [figure for point in points for figure in point if figure is not None]


def test_every_recipe_gives_the_curves_of_torch() -> None:
    """Each optimizer under each activation, in one cohort: losses, R² and errors of two epochs, to 1e-9."""
    together = curves(RECIPES)
    for run in RECIPES:
        alone = list(train_concise(run, SPLIT, torch.float64))
        assert len(figures(alone)) == 2 * 6
        assert figures(together[run.key]) == pytest.approx(figures(alone), rel=1e-9, abs=1e-9)


def test_scratch_is_the_same() -> None:
    """The book's own loop, from raw tensors, gives the same curves."""
    runs = mixed_runs(7)
    together = curves(runs)
    for run in runs:
        alone = list(train_scratch(run, SPLIT, torch.float64))
        assert figures(together[run.key]) == pytest.approx(figures(alone), rel=1e-9, abs=1e-9)


def test_scores_are_those_of_scikit_learn() -> None:
    """R² about the mean of the examples themselves, the absolute error in the target's own units; no accuracy."""
    config = MLPConfig((9,), 0.05, 2, BATCH)
    layers: dict[Hashable, Parameters] = {}
    *_, (last,) = train([Run(0, config, 0)], SPLIT, dtype=torch.float64, final_parameters=layers)
    outputs = MLPConcise(config, layers[0]).logits(SPLIT.val_x).squeeze(1).detach()
    assert last.val_r2 == pytest.approx(r2_score(SPLIT.val_y, outputs), rel=1e-9)
    assert last.val_mae == pytest.approx(STD * mean_absolute_error(SPLIT.val_y, outputs), rel=1e-9)
    assert last.val_loss == pytest.approx((outputs - SPLIT.val_y).square().mean().item(), rel=1e-9)
    assert (last.train_accuracy, last.val_accuracy) == (None, None)
    other_score = score(config, layers[0], SPLIT.val_x, SPLIT.val_y).in_units(STD)
    assert (other_score.loss, other_score.r2, other_score.mae) == pytest.approx(
        (last.val_loss, last.val_r2, last.val_mae), rel=1e-12
    )


def test_numbers_that_do_not_vary_have_no_r2() -> None:
    """There is no variance to explain: it is NaN, and the errors are what they are."""
    constant = torch.full((5,), 2.0)
    measured = score_of(torch.zeros(5, 1), constant)
    assert (measured.loss, measured.mae) == (4.0, 2.0)
    assert measured.r2 is not None
    assert measured.r2 != measured.r2


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_goes_on_alone_as_among_others(optimizer: str) -> None:
    """Shorter neighbours leave, one diverges, and its own figures are those that it has alone."""
    config = MLPConfig((6, 3), 0.003, 3, BATCH, optimizer=optimizer, momentum=0.9, weight_decay=0.01)
    config = replace(config, batch_norm=True, dropout=0.2)
    run = Run("x", config, 0)
    others = [Run(n, replace(config, hidden_layers=shape, epochs=n), 0) for n, shape in [(1, (5,)), (2, (6, 3))]]
    wild = Run("wild", replace(config, learning_rate=float("nan")), 0)
    together = curves([*others, wild, run])
    assert [result.diverged for result in together["wild"]] == [True]
    assert figures(together["x"]) == pytest.approx(figures(curves([run])["x"]), rel=1e-9, abs=1e-9)


def test_packed_networks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where layers are filled up to few widths, as on a GPU, the one output is as it is without."""
    runs = RECIPES[::5]
    plain = curves(runs)

    def pack(configs: list[MLPConfig], features: int, outputs: int, _: torch.device) -> Layout:
        return Layout(configs, features, outputs, packed=True)

    monkeypatch.setattr(network, "layout_for", pack)
    packed = curves(runs)
    for key, curve in plain.items():
        assert figures(packed[key]) == pytest.approx(figures(curve), rel=1e-9, abs=1e-9)


def test_a_step_is_recorded_and_replayed() -> None:
    """What a graph of a step repeats asks nothing of the host, and gives the same numbers to the last bit."""
    runs = [Run(i, MLPConfig((6, 4), 0.01 * (i + 1), 4, BATCH, dropout=0.2), 0) for i in range(3)]
    recorder = RecordedSteps()
    replayed = curves(runs, recorder)
    assert recorder.replayed > 0
    assert {key: losses(curve) for key, curve in replayed.items()} == {
        key: losses(curve) for key, curve in curves(runs).items()
    }


def test_patience_waits_for_the_validation_loss() -> None:
    """A run whose loss no longer falls ends early, fused and alone at the same epoch."""
    run = Run(0, MLPConfig((32,), 0.1, 60, BATCH, patience=3), 0)
    alone = list(train_concise(run, SPLIT, torch.float64))
    together = curves([run])[0]
    assert 3 < len(together) == len(alone) < 60
    assert together[-1].stopped
    lowest = min(range(len(together)), key=lambda index: together[index].val_loss)
    assert lowest == len(together) - 4


def test_a_resumed_run_equals_an_uninterrupted_one() -> None:
    """Its checkpoint has its figures and what its training goes on from, to the last bit."""
    runs = [Run(i, MLPConfig((6,), 0.003, 3, BATCH, optimizer="adam", batch_norm=True), i) for i in range(2)]
    whole = curves(runs)
    first_leg = Training(runs, SPLIT, dtype=torch.float64)
    (last,) = (result for result in first_leg.train_epoch() if result.key == 1)
    state = first_leg.states_of({1})[1]
    (stored,) = checkpoint.from_bytes(checkpoint.to_bytes([RunCheckpoint(1, last, 0.5, state)]), trial_id=0)
    assert replace(stored.last_result, key=1) == last
    assert stored.state is not None
    resumed = Training(runs[1:], SPLIT, epochs_trained=1, states={1: stored.state}, dtype=torch.float64)
    later = [resumed.train_epoch()[0] for _ in range(2)]
    assert figures(later) == pytest.approx(figures(whole[1][1:]), rel=1e-9, abs=1e-9)


def test_smoothed_labels_are_for_classes() -> None:
    """A number has no label to smooth."""
    config = MLPConfig((4,), label_smoothing=0.1)
    with pytest.raises(ValueError, match="label_smoothing is for classes"):
        FusedMLP([Member(config, initial_parameters(Run(0, config, 0), FEATURES, 1))], torch.empty(0), "number")


def test_equal_seeds_give_equal_numbers() -> None:
    """But for the last bit, as a processor may sum products in another order at another place of a cohort."""
    runs = [Run("a", MLPConfig((5,), 0.01, 2, BATCH), 1), Run("b", MLPConfig((5,), 0.01, 2, BATCH), 1)]
    together = curves(runs)
    assert losses(together["a"]) == pytest.approx(losses(together["b"]), rel=1e-12)
    layers: dict[Hashable, Parameters] = {}
    list(train(runs, SPLIT, dtype=torch.float64, final_parameters=layers))
    assert distance(layers["a"], layers["b"]) < 1e-14

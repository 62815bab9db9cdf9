"""The epoch loop: what a run gives back depends on its configuration and seed alone."""

import gc
import weakref
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from math import isnan

import pytest
import torch
from sklearn.datasets import load_digits

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from tests.support.training.learning_curves import SPLIT, curves, losses, numbers
from tests.support.training.mlp_examples import CLASSES, FEATURES, distance, mixed_runs
from worker.mlp.evaluation import score
from worker.mlp.initializers import Parameters
from worker.mlp.reference.concise import train_concise
from worker.mlp.reference.scratch import train_scratch
from worker.mlp.split import Split
from worker.mlp.training import Training, train


@pytest.mark.parametrize("reference", [train_scratch, train_concise])
def test_gives_the_curves_of_the_book(
    reference: Callable[[Run, Split, torch.dtype], Iterator[EpochResult]],
) -> None:
    """Three epochs in a cohort, the last batch a partial one, give the losses of the plain loop."""
    runs = mixed_runs(16)
    together = curves(runs)
    for run in runs:
        alone = list(reference(run, SPLIT, torch.float64))
        assert losses(together[run.key]) == pytest.approx(losses(alone), rel=0, abs=1e-9)


def test_accuracies_are_those_of_the_book() -> None:
    """Where no two logits are equal, accuracies agree exactly."""
    run = Run("a", MLPConfig((9,), epochs=3, batch_size=32), 4)
    alone = list(train_scratch(run, SPLIT, torch.float64))
    together = curves([run, *mixed_runs(5)])["a"]
    for fused, plain in zip(together, alone, strict=True):
        assert fused.train_accuracy == pytest.approx(plain.train_accuracy, rel=1e-12)
        assert fused.val_accuracy == pytest.approx(plain.val_accuracy, rel=1e-12)


def test_a_run_does_not_depend_on_its_cohort() -> None:
    """Alone, among others and in another order its losses are the same."""
    runs = mixed_runs(24)
    together, reverse = curves(runs), curves(runs[::-1])
    for run in runs[::3]:
        alone = losses(curves([run])[run.key])
        assert losses(together[run.key]) == pytest.approx(alone, rel=0, abs=1e-9)
        assert losses(reverse[run.key]) == pytest.approx(alone, rel=0, abs=1e-9)


def test_the_same_training_twice_gives_identical_numbers() -> None:
    """Bit for bit, because nothing is drawn from a shared generator."""
    first = curves(mixed_runs(12))
    torch.rand(7)
    second = curves(mixed_runs(12))
    assert {key: numbers(c) for key, c in first.items()} == {key: numbers(c) for key, c in second.items()}


@pytest.mark.parametrize("rate", [1e6, 1e300, float("nan")])
@pytest.mark.parametrize("widths", [(), (7,), (7, 5)])
def test_a_diverging_run_leaves_its_neighbours_alone(rate: float, widths: tuple[int, ...]) -> None:
    """It is told as diverged and leaves; in its epoch the others' numbers are bit for bit those beside a sane run."""
    config = MLPConfig((7, 5), epochs=3, batch_size=32, activation="identity")
    neighbours = [
        Run(i, replace(config, hidden_layers=shape), 0) for i, shape in enumerate([(), (7,), (7, 5), (3,), (7, 5)])
    ]
    sane = Run("x", replace(config, hidden_layers=widths), 0)
    wild = replace(sane, config=replace(sane.config, learning_rate=rate))
    beside_sane, beside_wild = curves([*neighbours, sane]), curves([*neighbours, wild])
    if widths or isnan(rate):  # the gradients of softmax regression are bounded: its loss grows, but stays finite
        assert [r.diverged for r in beside_wild["x"]] == [False] * (len(beside_wild["x"]) - 1) + [True]
    for run in neighbours:
        assert numbers(beside_wild[run.key])[0] == numbers(beside_sane[run.key])[0]
        assert losses(beside_wild[run.key]) == pytest.approx(losses(beside_sane[run.key]), rel=0, abs=1e-9)


def test_runs_leave_when_their_epochs_are_done() -> None:
    """Runs of 1, 2 and 4 epochs in one cohort; the longest goes on as it would alone."""
    runs = [Run(n, MLPConfig((6,), epochs=n, batch_size=50), 1) for n in (1, 4, 2)]
    together = curves(runs)
    assert {key: [r.epoch for r in c] for key, c in together.items()} == {1: [1], 2: [1, 2], 4: [1, 2, 3, 4]}
    assert losses(together[4]) == pytest.approx(losses(curves(runs[1:2])[4]), rel=0, abs=1e-9)


def test_send_drops_runs_before_the_next_epoch() -> None:
    """Dropped runs give no more results, the others are unchanged, and dropping all of them ends it."""
    runs = [Run(i, MLPConfig((5 + i % 2,), epochs=5, batch_size=32), i % 2) for i in range(6)]
    training = train(runs, SPLIT, dtype=torch.float64)
    next(training)
    second = training.send({0, 3, "never heard of"})
    assert sorted(str(result.key) for result in second) == ["1", "2", "4", "5"]
    whole = curves(runs)
    for result in second:
        assert losses([result]) == pytest.approx(losses(whole[result.key][1:2]), rel=0, abs=1e-9)
    with pytest.raises(StopIteration):
        training.send([1, 2, 4, 5])


def test_finished_runs_leave_their_parameters() -> None:
    """They are there with the last result, score as the last validation did, and dropped or diverged ones are not."""
    config = MLPConfig((6, 4), epochs=2, batch_size=32)
    runs = [Run("a", config, 0), Run("dropped", config, 1), Run("wild", replace(config, learning_rate=1e300), 0)]
    final_parameters: dict[Hashable, Parameters] = {}
    training = train(runs, SPLIT, dtype=torch.float64, final_parameters=final_parameters)
    next(training)
    assert final_parameters == {}
    (last,) = training.send(["dropped"])
    assert list(final_parameters) == ["a"]
    got = score(config, final_parameters["a"], SPLIT.val_x, SPLIT.val_y)
    assert got[:2] == pytest.approx((last.val_loss, last.val_accuracy), rel=1e-12)


def test_equal_seeds_share_batches_and_other_seeds_do_not() -> None:
    """Runs that differ in their key alone have one curve, runs of another seed another."""
    config = MLPConfig((6,), epochs=2, batch_size=32)
    by_run = curves([Run("a", config, 0), Run("b", config, 0), Run("c", config, 1)])
    assert losses(by_run["a"]) == pytest.approx(losses(by_run["b"]), rel=0, abs=1e-9)
    assert losses(by_run["a"]) != pytest.approx(losses(by_run["c"]), rel=1e-3)


@pytest.mark.parametrize("batch_size", [1, 299, 300, 1000])
def test_any_batch_size_works(batch_size: int) -> None:
    """A batch may be a single example, leave one over, or hold more than there are."""
    run = Run(0, MLPConfig((6,), 0.01, 1, batch_size), 0)
    alone = list(train_scratch(run, SPLIT, torch.float64))
    assert losses(curves([run])[0]) == pytest.approx(losses(alone), rel=0, abs=1e-9)


def test_seconds_are_shares_of_one_whole() -> None:
    """Runs with more parameters carry more of their cohort's time."""
    runs = [Run(width, MLPConfig((width,), epochs=1, batch_size=32), 0) for width in (3, 30)]
    by_run = curves(runs)
    small, large = (by_run[width][0].seconds for width in (3, 30))
    assert 0 < small < large


def test_what_is_trained_leaves_memory_at_once() -> None:
    """Nothing waits for a collection of garbage: half of a cohort would not fit after the whole."""
    config = MLPConfig((5, 3), optimizer="adam", dropout=0.2, batch_norm=True, batch_size=32)
    gc.disable()
    try:
        training = Training([Run(0, config, 0)], SPLIT)
        training.train_epoch()
        (group,) = training._groups
        model = weakref.ref(group._model)
        del group, training
        assert model() is None
    finally:
        gc.enable()


def test_nothing_to_train_gives_nothing() -> None:
    """An empty cohort ends at once."""
    assert list(train([], SPLIT)) == []


def test_refuses_two_runs_with_one_key() -> None:
    """Their results could not be told apart."""
    with pytest.raises(ValueError, match="key of its own"):
        next(train([Run(0, MLPConfig(), 0), Run(0, MLPConfig(), 1)], SPLIT))


def test_learns_real_digits() -> None:
    """Softmax regression and a hidden layer both pass 90 % on scikit-learn's digits, and the hidden layer wins."""
    digits = load_digits()
    x, y = torch.from_numpy(digits.data).float() / 16, torch.from_numpy(digits.target).long()
    split = Split(x[:1400], y[:1400], x[1400:], y[1400:], 10)
    shapes: list[tuple[int, ...]] = [(), (64,)]
    runs = [Run(shape, MLPConfig(shape, 0.2, 20, 32), 0) for shape in shapes]
    *_, last = train(runs, split)
    accuracy = {result.key: result.val_accuracy or 0.0 for result in last}
    assert 0.88 < accuracy[()] < accuracy[(64,)]


def test_parameters_do_not_change_when_neighbours_leave() -> None:
    """The kept parameters of a long run are those of the run alone."""
    runs = [Run(n, MLPConfig((6, 3), epochs=n, batch_size=32), 2) for n in (1, 2, 3)]
    together: dict[Hashable, Parameters] = {}
    alone: dict[Hashable, Parameters] = {}
    list(train(runs, SPLIT, dtype=torch.float64, final_parameters=together))
    list(train(runs[2:], SPLIT, dtype=torch.float64, final_parameters=alone))
    assert distance(together[3], alone[3]) <= 1e-9
    assert [tuple(layer.weight.shape) for layer in alone[3]] == [(6, FEATURES), (3, 6), (CLASSES, 3)]

"""What is measured of a network is what the plain network does, and measuring changes no training."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.domain.configuration import MLPConfig
from app.domain.diagnostics import NetworkDiagnostics, is_measured
from app.domain.runs import EpochResult, Run
from tests.support.training.mlp_examples import CLASSES, FEATURES, recipes, small_split
from tests.support.training.recorded_steps import RecordedSteps
from worker.mlp.diagnostics import Sample, diagnose
from worker.mlp.fused.member import Member
from worker.mlp.initializers import Layer, initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.reference.plain_training import train_alone
from worker.mlp.split import Split
from worker.mlp.training import Training

SPLIT = small_split()  # fewer examples than are looked at of held-out ones, more than of those to train on


def trained_alone(run: Run, epochs: int) -> MLPConcise:
    """The book's network after so many epochs."""
    model = MLPConcise(run.config, initial_parameters(run, FEATURES, CLASSES, torch.float64))
    curve = train_alone(lambda _config, _parameters: model, run, SPLIT, torch.float64)
    for _ in range(epochs):
        next(curve)
    return model


def looked_at(model: MLPConcise, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """What each of its activations gives for the examples, and the logits, as the framework says."""
    values: list[Tensor] = []
    for module in model._net:
        if not isinstance(module, nn.Linear | nn.BatchNorm1d) and "Dropout" not in type(module).__name__:
            module.register_forward_hook(lambda _module, _inputs, output: values.append(output.detach()))
    model._net.eval()
    logits = model._net(x).detach()
    return [*values], logits


def plain_gradients(model: MLPConcise, sample: Sample) -> list[float]:
    """Root mean squares of the gradients that backward() leaves."""
    model._net.zero_grad()
    smoothing = model.config.label_smoothing
    functional.cross_entropy(model._net(sample.train_x), sample.train_y, label_smoothing=smoothing).backward()  # type: ignore[no-untyped-call]
    gradients = [module.weight.grad for module in model._net if isinstance(module, nn.Linear)]
    return [gradient.square().mean().sqrt().item() for gradient in gradients if gradient is not None]


@pytest.mark.parametrize("epochs", [0, 2])
def test_equals_the_plain_network(epochs: int) -> None:
    """Every optimizer, activation and kind of layer: sizes, gradients and answers are those of torch.nn's own parts."""
    runs = recipes(48)
    training = Training(runs, SPLIT, dtype=torch.float64)
    for _ in range(epochs):
        training.train_epoch()
    measured = training.diagnostics({run.key for run in runs})
    sample = Sample.of(SPLIT)
    assert len(sample.train_y) == 256
    for run in runs:
        model = trained_alone(run, epochs)
        values, logits = looked_at(model, sample.x)
        plain_sizes = [value.square().mean().sqrt().item() for value in (*values, logits)]
        own = measured[run.key]
        assert own.activation_rms == pytest.approx(plain_sizes, rel=1e-7, abs=1e-12)
        assert own.gradient_rms == pytest.approx(plain_gradients(model, sample), rel=1e-6, abs=1e-12)
        assert own.predicted_classes == len(set(logits.argmax(1).tolist()))
        assert own.top_class_share == logits.argmax(1).bincount().max().item() / len(logits)
        if run.config.activation == "relu":
            is_dead = [(value == 0).all(0).double().mean().item() for value in values]
            assert own.dead_share == pytest.approx(is_dead, abs=1e-6)


def curves(measured: bool) -> list[tuple[object, ...]]:
    """All figures of all epochs of many runs, the runs leaving one after the other."""
    runs = recipes(48)
    training = Training(runs, SPLIT)
    points: list[tuple[object, ...]] = []
    keys = {run.key for run in runs}
    for epoch in range(4):
        if measured:
            training.diagnostics(keys)
        results = training.train_epoch()
        points += [numbers(result) for result in results]
        training.leave({runs[epoch].key, *(result.key for result in results if result.diverged)})
    return points


def numbers(result: EpochResult) -> tuple[object, ...]:
    figures = (result.train_loss, result.train_accuracy, result.val_loss, result.val_accuracy)
    return result.key, result.epoch, *map(repr, figures)


def test_measuring_changes_no_bit_of_the_training() -> None:
    """With every optimizer, dropout, normalization and schedule the curves are equal, and not only nearly."""
    assert curves(measured=True) == curves(measured=False)


def test_runs_are_told_apart_where_some_have_left() -> None:
    """With captured steps the rows of a run that left stay for a while: the others are still measured as themselves."""
    runs = [Run(i, MLPConfig((7 + i, 5), 0.01 * (i + 1), 4, 32, batch_norm=True), 1) for i in range(8)]
    plain, captured = Training(runs, SPLIT), Training(runs, SPLIT, recorder=RecordedSteps())
    for training in (plain, captured):
        training.train_epoch()
        training.leave({0, 5})
        training.train_epoch()
    expected = plain.diagnostics({3, 5, 7})
    assert expected.keys() == {3, 7}
    for key, measured in captured.diagnostics({3, 5, 7}).items():
        assert measured.activation_rms == pytest.approx(expected[key].activation_rms, rel=1e-5)
        assert measured.gradient_rms == pytest.approx(expected[key].gradient_rms, rel=1e-4)


def network(activation: str, weights: Sequence[float], biases: Sequence[float]) -> Member:
    """One number in, as many hidden units as there are weights, and two classes."""
    hidden = Layer(torch.tensor(weights).view(-1, 1), torch.tensor(biases))
    output = Layer(torch.zeros(2, len(weights)), torch.tensor([0.0, 1.0]))
    return Member(MLPConfig((len(weights),), activation=activation), [hidden, output])


def numbers_as_examples(*x: float) -> Sample:
    examples, labels = torch.tensor(x).view(-1, 1), torch.tensor([0] * (len(x) - 1) + [1])
    return Sample.of(Split(examples, labels, examples, labels, 3))


@pytest.mark.parametrize(
    ("activation", "share"),
    [
        ("relu", 0.5),
        ("sigmoid", 0.75),
        ("tanh", 0.75),
        ("elu", 0.5),
        ("gelu", 0.5),
        ("silu", 0.5),
        ("leaky_relu", 0),
        ("identity", 0),
    ],
)
def test_dead_is_what_tells_nothing_apart_and_can_not_change(activation: str, share: float) -> None:
    """Units far below, far above, on both sides, and without weight: a step between both ends is not dead."""
    weights, biases = [1.0, 1.0, 100.0, 0.0], [-50.0, 50.0, 0.0, -50.0]
    measured = diagnose(network(activation, weights, biases), numbers_as_examples(-1.0, 1.0))
    assert measured.dead_share == [share]


def test_what_a_bottleneck_holds_is_told_by_class() -> None:
    """Quantiles before the activation, which ReLU would make 0; a class without examples has none."""
    measured = diagnose(network("relu", [1.0], [-10.0]), numbers_as_examples(0.0, 1.0, 2.0, 3.0, 4.0, 8.0))
    assert measured.bottleneck is not None
    many, single, missing = measured.bottleneck
    assert many == pytest.approx([-9.8, -9, -8, -7, -6.2], abs=1e-5)
    assert single == [-2.0] * 5
    assert all(math.isnan(number) for number in missing)
    assert (measured.dead_share, measured.distinct_outputs, measured.predicted_classes) == ([1.0], 1, 1)
    assert diagnose(network("relu", [1.0, 1.0], [0.0, 0.0]), numbers_as_examples(1.0)).bottleneck is None


def test_what_is_not_finite_and_what_is_tiny_is_told() -> None:
    """A diverged network has NaN; sizes whose squares no float32 holds are not 0."""
    diverged = diagnose(network("relu", [math.nan], [0.0]), numbers_as_examples(1.0, 2.0))
    assert math.isnan(diverged.activation_rms[0])
    tiny = diagnose(network("identity", [1e-30], [0.0]), numbers_as_examples(1.0, 1.0))
    assert tiny.activation_rms[0] == pytest.approx(1e-30)
    assert isinstance(tiny, NetworkDiagnostics)


def test_long_runs_are_measured_at_fewer_epochs() -> None:
    """Each of the first hundred, then every tenth and hundredth, and the last."""
    assert sum(is_measured(epoch, 10_000) for epoch in range(10_001)) == 281
    assert [epoch for epoch in range(100, 138) if is_measured(epoch, 137)] == [100, 110, 120, 130, 137]

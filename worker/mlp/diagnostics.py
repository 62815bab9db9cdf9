"""Measures what networks do with a fixed sample, with plain torch, run by run; it changes nothing that trains."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.diagnostics import (
    DEAD_RANGE,
    DEAD_SLOPE,
    GRADIENT_EXAMPLES,
    OUTPUT_DECIMALS,
    QUANTILES,
    SAMPLE_EXAMPLES,
    NetworkDiagnostics,
)
from worker.mlp.batch_norm import fold
from worker.mlp.fused.member import Member
from worker.mlp.initializers import Layer, Parameters
from worker.mlp.losses import mean_loss
from worker.mlp.split import Split

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "silu": functional.silu,
    "identity": lambda z: z,
}


class Sample(NamedTuple):
    """The examples that every network of a data set is measured on."""

    x: Tensor  # [sample, features] held out
    y: Tensor  # [sample] int64, or numbers
    train_x: Tensor  # [batch, features] for the gradients
    train_y: Tensor  # [batch] int64, or numbers
    classes: int  # 0 where targets are numbers

    @classmethod
    def of(cls, split: Split) -> "Sample":
        """The same examples each time: evenly spread, and nothing is drawn."""
        held_out = _evenly_spread(len(split.val_y), SAMPLE_EXAMPLES).to(split.val_y.device)
        training = _evenly_spread(len(split.train_y), GRADIENT_EXAMPLES).to(split.train_y.device)
        parts = split.val_x[held_out], split.val_y[held_out], split.train_x[training], split.train_y[training]
        return cls(*parts, split.classes)


def _evenly_spread(
    count: int,
    limit: int,
) -> Tensor:  # [min(count, limit)] int64
    return torch.arange(min(count, limit)) * count // min(count, limit)


def diagnose(
    member: Member,  # with its state: running statistics are part of it
    sample: Sample,
) -> NetworkDiagnostics:
    """What a network does with the sample as it is now."""
    activation = ACTIVATIONS[member.config.activation]
    layers = _layers(member, [layer.weight for layer in _linear(member)])
    hidden, logits = _forward(layers, sample.x, activation)
    answers = torch.softmax(logits, 1) if sample.classes else logits  # [sample, classes], or [sample, 1]
    outputs = answers.mul(10**OUTPUT_DECIMALS).round()
    counts = torch.bincount(logits.argmax(1), minlength=sample.classes)  # [classes]
    values = [unit_values for _, unit_values in hidden]
    return NetworkDiagnostics(
        dead_share=[_dead_share(activation, z) for z, _ in hidden],
        activation_rms=[_rms(layer_values) for layer_values in (*values, logits)],
        gradient_rms=[_rms(gradient) for gradient in _weight_gradients(member, sample, activation)],
        predicted_classes=int(counts.count_nonzero()) if sample.classes else None,
        top_class_share=counts.max().item() / len(logits) if sample.classes else None,
        distinct_outputs=len(torch.unique(outputs, dim=0)),
        bottleneck=_bottleneck(hidden, sample),
    )


def _forward(
    layers: Parameters,
    x: Tensor,  # [batch, features]
    activation: Callable[[Tensor], Tensor],
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Pre-activations and values [batch, units] of each hidden layer, and the logits [batch, classes]."""
    *hidden_layers, last = layers
    hidden = []
    for weight, bias in hidden_layers:
        z = torch.addmm(bias, x, weight.T)  # [batch, units]
        x = activation(z)
        hidden.append((z, x))
    return hidden, torch.addmm(last.bias, x, last.weight.T)


def _linear(member: Member) -> Parameters:
    """Its linear layers, without gain and shift of the normalized ones."""
    return member.parameters[: len(member.config.hidden_layers) + 1]


def _layers(
    member: Member,
    weights: list[Tensor],  # [outputs, inputs] each
) -> Parameters:
    """Its linear layers with these weights, as they are evaluated: normalizations are folded in."""
    linear = [Layer(weight, layer.bias) for weight, layer in zip(weights, _linear(member), strict=True)]
    if member.state is None or not member.state.running_stats:
        return linear
    norms = zip(member.parameters[len(linear) :], member.state.running_stats, strict=True)
    folded = [fold(layer, *norm) for layer, norm in zip(linear, norms, strict=False)]
    return folded + linear[len(folded) :]


def _dead_share(
    activation: Callable[[Tensor], Tensor],
    z: Tensor,  # [sample, units] pre-activations
) -> float:
    inputs = z.detach().requires_grad_()
    values = activation(inputs)  # [sample, units]
    (slopes,) = torch.autograd.grad(values.sum(), inputs)  # [sample, units]
    ranges = values.detach().amax(0) - values.detach().amin(0)  # [units]
    is_dead = (slopes.abs().amax(0) < DEAD_SLOPE) & (ranges < DEAD_RANGE)  # [units]
    return is_dead.float().mean().item()


def _weight_gradients(
    member: Member,
    sample: Sample,
    activation: Callable[[Tensor], Tensor],
) -> tuple[Tensor, ...]:  # [outputs, inputs] for each linear layer
    """Those of the loss that it is trained on, without dropout and weight decay, on the fixed batch."""
    # detached tensors share the memory of the parameters, and take the gradient's bookkeeping for themselves
    weights = [layer.weight.detach().requires_grad_() for layer in _linear(member)]
    _, logits = _forward(_layers(member, weights), sample.train_x, activation)
    loss = mean_loss(logits, sample.train_y, member.config.label_smoothing)
    return torch.autograd.grad(loss, weights)


def _rms(
    numbers: Tensor,  # any shape
) -> float:
    largest = numbers.detach().abs().max()
    # in its units: the squares of tiny numbers would be 0, and those of huge ones infinite
    scale = torch.where(largest == 0, 1, largest)
    return ((numbers.detach() / scale).square().mean().sqrt() * scale).item()


def _bottleneck(
    hidden: list[tuple[Tensor, Tensor]],  # pre-activations and values [sample, units] of each layer
    sample: Sample,
) -> list[list[float]] | None:
    """By class the quantiles of what the first layer of one unit has before its activation; of numbers of all alike."""
    numbers = next((z[:, 0] for z, _ in hidden if z.shape[1] == 1), None)  # [sample]
    if numbers is None:
        return None
    levels = numbers.new_tensor(QUANTILES)
    by_class = [numbers[sample.y == label] for label in range(sample.classes)] or [numbers]
    missing = [float("nan")] * len(QUANTILES)
    return [torch.quantile(part, levels).tolist() if len(part) else missing for part in by_class]

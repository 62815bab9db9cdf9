"""Batch normalization of many units at once, with the numbers of torch.nn.BatchNorm1d."""

from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.initializers import Layer

EPSILON, MOMENTUM = 1e-5, 0.1
_aten = torch.ops.aten


class Normalization(NamedTuple):
    """Units normalized over a mini-batch: y = gain * (z - mean) / sqrt(var + 1e-5) + shift. Ioffe and Szegedy 2015.

    Each is [units, batch], contiguous; `mean` and `inverse` are those of the batch. A batch of a single example has no
    variance: it is normalized with the running statistics, as in validation, and does not change them.
    """

    before: Tensor  # z
    after: Tensor  # y
    gradient: Tensor  # of the loss, first with respect to y, then to z
    mean: Tensor  # [units]
    inverse: Tensor  # [units], 1 / standard deviation

    @classmethod
    def of(cls, before: Tensor, gradient: Tensor) -> "Normalization":
        """The buffers for pre-activations [..., units, batch]."""
        flat, flat_gradient = (tensor.view(-1, tensor.shape[-1]) for tensor in (before, gradient))
        units = len(flat)
        return cls(flat, torch.empty_like(flat), flat_gradient, before.new_empty(units), before.new_empty(units))

    def normalize(self, affine: Layer, statistics: Layer) -> None:
        """Computes `after`, and moves the running statistics by a tenth towards those of the batch."""
        tensors = self.before.unsqueeze(0), *_flat(affine), *_flat(statistics)
        if self._single:
            self.after.copy_(_aten.native_batch_norm(*tensors, False, MOMENTUM, EPSILON)[0][0])
        else:
            out = {"out": self.after.unsqueeze(0), "save_mean": self.mean, "save_invstd": self.inverse}
            _aten.native_batch_norm.out(*tensors, True, MOMENTUM, EPSILON, **out)

    def denormalize(self, affine: Layer, statistics: Layer) -> Layer:
        """Takes the gradient back through the normalization; gives back those of gain and shift, [units] each."""
        gain, _ = _flat(affine)
        tensors = self.gradient.unsqueeze(0), self.before.unsqueeze(0), gain, *_flat(statistics)
        batch = self.mean, self.inverse, not self._single, EPSILON, [True, True, True]
        gradient, of_gain, of_shift = _aten.native_batch_norm_backward(*tensors, *batch)
        self.gradient.copy_(gradient[0])
        return Layer(of_gain, of_shift)

    @property
    def _single(self) -> bool:
        return self.before.shape[1] == 1


def fold(layer: Layer, affine: Layer, statistics: Layer) -> Layer:
    """One linear layer that gives what a linear layer and its normalization give in validation."""
    scale = affine.weight / torch.sqrt(statistics.bias + EPSILON)
    return Layer(scale.unsqueeze(1) * layer.weight, scale * (layer.bias - statistics.weight) + affine.bias)


def _flat(pair: Layer) -> tuple[Tensor, Tensor]:
    return pair.weight.view(-1), pair.bias.view(-1)

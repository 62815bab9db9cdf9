"""Batch normalization of many units at once, with the numbers of torch.nn.BatchNorm1d."""

from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.initializers import Layer

EPSILON, MOMENTUM = 1e-5, 0.1  # torch's defaults; the momentum is the share of the new batch
_aten = torch.ops.aten


class BatchNorm(NamedTuple):
    """The buffers of y = gain * (z - mean) / sqrt(variance + 1e-5) + shift, over the mini-batch, for each unit.

    Ioffe and Szegedy 2015; D2L 8.5. A batch of a single example has no variance: it is normalized with the running
    statistics, as in validation, and does not change them.
    """

    z: Tensor  # [units, batch] pre-activations, contiguous
    y: Tensor  # [units, batch] what the activation begins with
    grad: Tensor  # [units, batch] dL/dy before `backward`, dL/dz after it
    mean: Tensor  # [units] of this batch's z, or the running one
    inverse_std: Tensor  # [units] 1 / sqrt(variance + EPSILON) of this batch's z, or of the running variance

    @classmethod
    def of(
        cls,
        z: Tensor,  # [units, batch]
        y: Tensor,  # [units, batch]
        grad: Tensor,  # [units, batch]
    ) -> "BatchNorm":
        """The buffers for pre-activations, what is made of them and their grad; they are shared, not copied."""
        return cls(z, y, grad, z.new_empty(len(z)), z.new_empty(len(z)))

    def forward(
        self,
        affine: Layer,  # gain and shift, [units, 1] each
        running: Layer,  # running mean and variance, [units, 1] each; moved a tenth towards the batch's
    ) -> None:
        """Computes `y`."""
        # Torch normalizes [N, C, L] over N and L. As [1, units, batch] a unit's numbers lie side by side, and no
        # transposed copy is made.
        tensors = self.z.unsqueeze(0), *_flat(affine), *_flat(running)  # [1, units, batch], then [units] four times
        if self._single_example:
            # a GPU's backward pass takes these, that of a processor the running statistics themselves
            self.mean.copy_(tensors[3])
            torch.add(tensors[4], EPSILON, out=self.inverse_std).rsqrt_()
            self.y.copy_(_aten.native_batch_norm(*tensors, False, MOMENTUM, EPSILON)[0][0])  # [units, batch]
        else:
            out = {"out": self.y.unsqueeze(0), "save_mean": self.mean, "save_invstd": self.inverse_std}
            _aten.native_batch_norm.out(*tensors, True, MOMENTUM, EPSILON, **out)

    def backward(
        self,
        affine: Layer,  # gain and shift, [units, 1] each
        running: Layer,  # running mean and variance, [units, 1] each
        affine_grad: Tensor,  # [2, units, 1] the grads of gain and shift, written over
    ) -> None:
        """Turns dL/dy into dL/dz in `grad`, in place."""
        gain, _ = _flat(affine)  # [units]
        tensors = self.grad.unsqueeze(0), self.z.unsqueeze(0), gain, *_flat(running)
        batch_stats = self.mean, self.inverse_std, not self._single_example, EPSILON, [True, True, True]
        z_grad, gain_grad, shift_grad = _aten.native_batch_norm_backward(*tensors, *batch_stats)
        # the kernel has no variant that writes into given memory
        self.grad.copy_(z_grad[0])  # [units, batch]
        affine_grad[0, :, 0].copy_(gain_grad)
        affine_grad[1, :, 0].copy_(shift_grad)

    @property
    def _single_example(self) -> bool:
        return self.z.shape[1] == 1


def write_scale_and_shift(
    affine: Layer,  # gain and shift, [units, 1] each
    running: Layer,  # running mean and variance, [units, 1] each
    out: Layer,  # [units, 1] each, written over
) -> None:
    """What normalization is in validation: y = scale * z + shift."""
    torch.div(affine.weight, torch.add(running.bias, EPSILON, out=out.weight).sqrt_(), out=out.weight)
    torch.sub(affine.bias, torch.mul(out.weight, running.weight, out=out.bias), out=out.bias)


def fold(
    layer: Layer,  # weight [units, inputs], bias [units]
    affine: Layer,  # gain and shift, [units] each
    running: Layer,  # running mean and variance, [units] each
) -> Layer:  # weight [units, inputs], bias [units]
    """One linear layer that gives what a linear layer and its normalization give in validation."""
    scale = affine.weight / torch.sqrt(running.bias + EPSILON)  # [units]
    return Layer(scale.unsqueeze(1) * layer.weight, scale * (layer.bias - running.weight) + affine.bias)


def _flat(
    pair: Layer,  # [units, 1] each
) -> tuple[Tensor, Tensor]:  # [units] each, views
    return pair.weight.view(-1), pair.bias.view(-1)

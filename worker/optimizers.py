"""How a step changes the parameters of many runs at once."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Optimizer(Protocol):
    """Takes the gradients of a group's layers as the two factors of which they are products.

    The network multiplies the gradient of the summed losses with `signal_scale` before it goes backward, so that a
    rule which is linear in the gradient, such as plain SGD, costs nothing beyond the product itself.
    """

    def signal_scale(self, batch: int) -> Tensor:
        """The factor [runs, 1, 1] of each run's gradient with respect to its logits."""
        ...

    def update(self, weight: Tensor, bias: Tensor, delta: Tensor, inputs: Tensor) -> None:
        """Changes `weight` [(n,) outputs, inputs] and `bias` [(n,) outputs, 1] in place.

        Their gradients are `delta` [(n,) outputs, batch] @ `inputs` [(n,) batch, inputs] and the row sums of `delta`.
        """
        ...


class SGD:
    """Plain stochastic gradient descent on each run's mean loss: p <- p - learning rate * dL/dp."""

    def __init__(self, learning_rates: Sequence[float], like: Tensor) -> None:
        self._negative_rates = like.new_tensor([-rate for rate in learning_rates]).view(-1, 1, 1)

    def signal_scale(self, batch: int) -> Tensor:
        """Minus the learning rate, over the batch: what arrives at the weights is the change itself."""
        return self._negative_rates / batch

    def update(self, weight: Tensor, bias: Tensor, delta: Tensor, inputs: Tensor) -> None:
        """Adds the change within the product that computes it."""
        if weight.dim() == 2:
            weight.addmm_(delta, inputs)
        else:
            weight.baddbmm_(delta, inputs)
        bias.add_(torch.sum(delta, -1, keepdim=True))

"""How a step changes the parameters of many runs at once: the rules of torch.optim, with coefficients of each run."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.parameters import Bank, PerStep
from worker.mlp.fused.step_table import Planned
from worker.mlp.fused.update_rules import Adam, ByGradient, Momentum, Nesterov, RMSprop, RMSpropMomentum
from worker.mlp.initializers import Layer


class Optimizer(Protocol):
    """Takes the gradients of a group's layers as the two factors of which they are products.

    The network multiplies the gradient of the summed losses with `signal_scale` before it goes backward, so that a
    rule which is linear in the gradient, such as plain SGD, costs nothing beyond the product itself. `memory` is what
    the rule keeps of each parameter, `steps` how many steps were planned, all of which are taken; both go with the runs
    when a group shrinks. What changes from step to step is planned on the host and read on the device.
    """

    memory: list[Bank]
    steps: int

    def plan(self, rates: Tensor) -> None:
        """Prepares the next steps, at most `STEPS_AHEAD`, at learning rates [steps, runs] float64."""
        ...

    def begin(self, batch: int, cursor: Tensor) -> None:
        """Starts the planned step at the cursor [1] int64, on a mini-batch of this size."""
        ...

    def signal_scale(self) -> Tensor | float:
        """The factor, [runs, 1, 1] or one for all, of each run's gradient with respect to its logits."""
        ...

    def update(self, block: int | None, delta: Tensor, inputs: Tensor) -> None:
        """Changes the weight and bias of a block, or without one of the first layer of all runs, in place.

        Their gradients are `delta` [(n,) outputs, batch] @ `inputs` [(n,) batch, inputs] and the row sums of `delta`.
        """
        ...

    def update_norm(self, block: int | None, gradients: Layer) -> None:
        """Changes gain and shift of a hidden block, or without one of the first layer of all runs, in place.

        Their gradients are the weight and the bias [units] that are given.
        """
        ...


class SGD:
    """Plain stochastic gradient descent: p <- p - rate * (dL/dp + weight_decay * p).

    The gradient arrives multiplied with minus the rate: the product that computes it adds it.
    """

    def __init__(self, configs: Sequence[MLPConfig], bank: Bank, like: Tensor) -> None:
        self.memory: list[Bank] = []
        self.steps = 0
        self._bank = bank
        self._negative_rates = Planned(len(configs), like)
        self._decay = torch.tensor([config.weight_decay for config in configs], dtype=torch.float64)
        self._kept = PerStep(bank, like) if self._decay.any() else None

    def plan(self, rates: Tensor) -> None:
        self.steps += len(rates)
        self._negative_rates.plan(-rates)
        if self._kept:
            self._kept.plan(1 - rates * self._decay)

    def begin(self, batch: int, cursor: Tensor) -> None:
        self._batch = batch
        self._negative_rates.take(cursor)
        if self._kept:
            self._kept.take(cursor)

    def signal_scale(self) -> Tensor:
        return self._negative_rates.now.view(-1, 1, 1) / self._batch

    def update(self, block: int | None, delta: Tensor, inputs: Tensor) -> None:
        weight, bias = self._bank.layer(block)
        if self._kept:
            weight.mul_(self._kept.of(block))
            bias.mul_(self._kept.of(block))  # where it is not trained it is 0
        if block is None:
            weight.addmm_(delta, inputs)
        else:
            weight.baddbmm_(delta, inputs)
        if self._bank.biased(block):
            bias.add_(torch.sum(delta, -1, keepdim=True))

    def update_norm(self, block: int | None, gradients: Layer) -> None:
        assert self._bank.norms
        for mine, change in zip(self._bank.norms.layer(block), gradients, strict=True):
            if self._kept:
                mine.mul_(self._kept.of(block)[: len(mine)])  # the first layer ends with rows of logits
            mine.add_(change.view(mine.shape))


OPTIMIZERS: dict[str, type[SGD | ByGradient]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "rmsprop": RMSprop,
    "rmsprop_momentum": RMSpropMomentum,
}

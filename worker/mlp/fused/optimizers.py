"""The optimizers of fused networks by name, and plain SGD, whose step is part of the gradient's product."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.gradient_optimizer import GradientOptimizer
from worker.mlp.fused.parameters import StackedParameters, StepFactors
from worker.mlp.fused.step_table import StepTable
from worker.mlp.fused.update_rules import Adam, Momentum, Nesterov, RMSprop, RMSpropMomentum
from worker.mlp.initializers import Layer


class Optimizer(Protocol):
    """Takes the grads of a group's layers as the two factors of which they are products.

    The network multiplies the grad of the summed losses with `logits_grad_scale` before it goes backward, so that a
    rule which is linear in the grad, such as plain SGD, costs nothing beyond the product itself. What changes from step
    to step is loaded by the host and read on the device.
    """

    state: list[StackedParameters]  # what the rule remembers of each parameter; goes with the runs to a smaller group
    steps: int  # how many were loaded, all of which are taken

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64, at most STEPS_AHEAD steps
    ) -> None:
        """Prepares the next steps."""
        ...

    def begin_step(
        self,
        batch: int,  # examples of its mini-batch
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        """Starts the step at the cursor."""
        ...

    def logits_grad_scale(self) -> Tensor | float:  # [runs, 1, 1], or one for all
        """What each run's grad of the summed losses with respect to its logits is to be multiplied with."""
        ...

    def update(
        self,
        block: int | None,  # None: the first layer of all runs
        outputs_grad: Tensor,  # [(runs,) outputs, batch] dL/dz, scaled by logits_grad_scale()
        inputs: Tensor,  # [(runs,) batch, inputs]
    ) -> None:
        """Changes the weight and bias of a block in place.

        Their grads are `outputs_grad` @ `inputs` and the sums of `outputs_grad` over the batch.
        """
        ...

    def update_norm(
        self,
        block: int | None,  # None: the first layer of all runs
        grads: Layer,  # dL/dgain and dL/dshift, [units] each, scaled as above
    ) -> None:
        """Changes gain and shift of a hidden block in place."""
        ...


class SGD:
    """Plain stochastic gradient descent: p <- p - rate * (dL/dp + weight_decay * p), as torch.optim.SGD. D2L 12.5.

    The grad arrives multiplied with minus the rate: the product that computes it adds it to the parameters, and it is
    never stored.
    """

    state_count = 0  # it remembers nothing of a parameter

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run
        parameters: StackedParameters,  # changed in place
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        self.state: list[StackedParameters] = []
        self.steps = 0
        self._parameters = parameters
        self._negative_rates = StepTable(len(configs), like)
        self._weight_decay = torch.tensor([config.weight_decay for config in configs], dtype=torch.float64)  # [runs]
        self._shrinkage = StepFactors(parameters, like) if self._weight_decay.any() else None  # 1 - rate * decay

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64
    ) -> None:
        self.steps += len(rates)
        self._negative_rates.load(-rates)
        if self._shrinkage:
            self._shrinkage.load(1 - rates * self._weight_decay)

    def begin_step(
        self,
        batch: int,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        self._batch = batch
        self._negative_rates.select(cursor)
        if self._shrinkage:
            self._shrinkage.select(cursor)

    def logits_grad_scale(self) -> Tensor:  # [runs, 1, 1] -rate / batch
        return self._negative_rates.current.view(-1, 1, 1) / self._batch

    def update(
        self,
        block: int | None,  # None: the first layer of all runs
        outputs_grad: Tensor,  # [(runs,) outputs, batch] -rate * dL/dz of the mean loss
        inputs: Tensor,  # [(runs,) batch, inputs]
    ) -> None:
        weight, bias = self._parameters.layer(block)
        if self._shrinkage:  # first: the decay is of the parameters as they were before the step
            weight.mul_(self._shrinkage.of_block(block))
            bias.mul_(self._shrinkage.of_block(block))  # where it is not trained it is 0
        if block is None:
            weight.addmm_(outputs_grad, inputs)  # [first rows, features]
        else:
            weight.baddbmm_(outputs_grad, inputs)  # [runs, outputs, inputs]
        if self._parameters.trains_bias(block):
            bias.add_(torch.sum(outputs_grad, -1, keepdim=True))  # [(runs,) outputs, 1]

    def update_norm(
        self,
        block: int | None,  # None: the first layer of all runs
        grads: Layer,  # -rate * dL/dgain and -rate * dL/dshift, [units] each
    ) -> None:
        assert self._parameters.norms
        for target, change in zip(self._parameters.norms.layer(block), grads, strict=True):
            if self._shrinkage:
                target.mul_(self._shrinkage.of_block(block)[: len(target)])  # the first layer ends with rows of logits
            target.add_(change.view(target.shape))


# by the names that app.domain.memory.update_rule gives back
OPTIMIZERS: dict[str, type[SGD | GradientOptimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "rmsprop": RMSprop,
    "rmsprop_momentum": RMSpropMomentum,
}

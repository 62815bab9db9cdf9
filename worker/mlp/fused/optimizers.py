"""The optimizers of fused networks: the update rules of torch.optim, with coefficients of each run.

In the formulas p is a parameter, g its grad with the L2 penalty, and `rate` the learning rate of the step. Plain SGD
needs no grad by itself, because its step is part of the product that computes it. The other rules extend
GradientOptimizer (gradient_chunks.py), which computes g a chunk at a time and calls `update_chunk`; they are
elementwise and in place on tensors with the shape of the chunk.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.gradient_chunks import Chunk, GradientOptimizer
from worker.mlp.fused.layout import BlockIndex
from worker.mlp.fused.parameters import RunFactors, StackedParameters, StepFactors
from worker.mlp.fused.step_table import StepTable
from worker.mlp.initializers import Layer


class Optimizer(Protocol):
    """Updates parameters; a layer's gradient arrives as its two factors, outputs_grad and inputs.

    The network multiplies the grad of the summed losses with `logits_grad_scale` before it goes backward, so that a
    rule which is linear in the grad, such as plain SGD, costs nothing beyond the product itself. What changes from step
    to step is loaded by the host and read on the device.
    """

    state: list[StackedParameters]  # what the rule remembers of each parameter; goes with the runs to a smaller group
    steps: int  # since training began, those that are loaded included: Adam's t

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64, at most STEPS_AHEAD steps
    ) -> None:
        """Prepares the next steps."""
        ...

    def begin_step(
        self,
        batch: int,  # examples of its mini-batch
        cursor: Tensor,  # [1] int64, the row of this step among those that were loaded last
    ) -> None:
        """Starts the step at the cursor."""
        ...

    def logits_grad_scale(self) -> Tensor | float:  # [runs, 1, 1], or one for all
        """What each run's grad of the summed losses with respect to its logits is to be multiplied with."""
        ...

    def update(
        self,
        block: BlockIndex,
        outputs_grad: Tensor,  # [(runs,) outputs, batch] dL/dz, scaled by logits_grad_scale()
        inputs: Tensor,  # [(runs,) batch, inputs]
    ) -> None:
        """Changes the weight and bias of a block in place.

        Their grads are `outputs_grad` @ `inputs` and the sums of `outputs_grad` over the batch.
        """
        ...

    def update_norm(
        self,
        block: BlockIndex,
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
        cursor: Tensor,  # [1] int64
    ) -> None:
        self._batch = batch
        self._negative_rates.select(cursor)
        if self._shrinkage:
            self._shrinkage.select(cursor)

    def logits_grad_scale(self) -> Tensor:  # [runs, 1, 1] -rate / batch
        return self._negative_rates.current.view(-1, 1, 1) / self._batch

    def update(
        self,
        block: BlockIndex,
        outputs_grad: Tensor,  # [(runs,) outputs, batch] -rate * dL/dz of the mean loss
        inputs: Tensor,  # [(runs,) batch, inputs]
    ) -> None:
        weight, bias = self._parameters.layer(block)
        if self._shrinkage:  # first: the decay is of the parameters as they were before the step
            weight.mul_(self._shrinkage.of_block(block))
            bias.mul_(self._shrinkage.of_block(block))  # an untrained bias is 0 and stays 0
        if block is None:  # the first layer of all runs
            weight.addmm_(outputs_grad, inputs)  # [first rows, features]
        else:
            weight.baddbmm_(outputs_grad, inputs)  # [runs, outputs, inputs]
        if self._parameters.trains_bias(block):
            bias.add_(torch.sum(outputs_grad, -1, keepdim=True))  # [(runs,) outputs, 1]

    def update_norm(
        self,
        block: BlockIndex,
        grads: Layer,  # -rate * dL/dgain and -rate * dL/dshift, [units] each
    ) -> None:
        assert self._parameters.norms
        for target, change in zip(self._parameters.norms.layer(block), grads, strict=True):
            if self._shrinkage:  # the first layer's factors also cover logit rows, which have no norm
                target.mul_(self._shrinkage.of_block(block)[: len(target)])
            target.add_(change.view(target.shape))


class Momentum(GradientOptimizer):
    """b <- momentum * b + g; p <- p - rate * b, from b = 0, as torch.optim.SGD. Polyak 1964; D2L 12.6."""

    state_count = 1  # b

    def factors(self) -> list[RunFactors]:  # negative rate, momentum
        return [self._negative_rates, self._run_factors([config.momentum for config in self._configs])]

    def update_chunk(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.state, chunk.factors  # velocity: b
        velocity.mul_(momentum).add_(chunk.grad)
        chunk.target.addcmul_(velocity, negative_rate)


class Nesterov(Momentum):
    """b <- momentum * b + g; p <- p - rate * (g + momentum * b), as torch.optim.SGD. Sutskever et al. 2013."""

    def update_chunk(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.state, chunk.factors  # velocity: b
        velocity.mul_(momentum).add_(chunk.grad)
        lookahead_grad = chunk.grad.addcmul_(velocity, momentum)  # in the memory of g
        chunk.target.addcmul_(lookahead_grad, negative_rate)


class Adam(GradientOptimizer):
    """m <- 0.9 m + 0.1 g; v <- 0.999 v + 0.001 g²; p <- p - rate * m' / (sqrt(v') + 1e-8), with m' = m / (1 - 0.9^t)
    and v' = v / (1 - 0.999^t) at step t, as torch.optim.Adam. Kingma and Ba 2015; D2L 12.10.

    The decay of "adamw" is p <- (1 - rate * weight_decay) p, before it, as torch.optim.AdamW. Loshchilov and Hutter
    2019.
    """

    state_count = 2  # m, v
    betas, epsilon = (0.9, 0.999), 1e-8

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run
        parameters: StackedParameters,  # changed in place
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        decay = [config.weight_decay if config.optimizer == "adamw" else 0.0 for config in configs]
        self._decoupled_decay = torch.tensor(decay, dtype=torch.float64)  # [runs], on the CPU
        self._shrinkage = StepFactors(parameters, like) if any(decay) else None  # 1 - rate * weight_decay
        self._corrected_epsilons = StepTable(1, like)  # epsilon * sqrt(1 - 0.999^t)
        # last: the base constructor calls factors(), which needs _shrinkage
        super().__init__(configs, parameters, like)

    def factors(self) -> list[RunFactors]:  # negative rate; for adamw also shrinkage
        return [self._negative_rates, *([self._shrinkage] if self._shrinkage else [])]

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64
    ) -> None:
        t = torch.arange(self.steps + 1, self.steps + len(rates) + 1, dtype=torch.float64).unsqueeze(1)  # [steps, 1]
        first_correction = 1 - self.betas[0] ** t  # [steps, 1]
        root_correction = torch.sqrt(1 - self.betas[1] ** t)  # [steps, 1]
        # m' / (sqrt(v') + epsilon) = (root / first) * m / (sqrt(v) + epsilon * root): both corrections go into numbers
        # of the step, and the device takes one pass less over the parameters
        super().load_rates(rates * (root_correction / first_correction))
        self._corrected_epsilons.load(self.epsilon * root_correction)
        if self._shrinkage:
            self._shrinkage.load(1 - rates * self._decoupled_decay)

    def begin_step(
        self,
        batch: int,
        cursor: Tensor,  # [1] int64
    ) -> None:
        super().begin_step(batch, cursor)
        self._corrected_epsilons.select(cursor)
        if self._shrinkage:
            self._shrinkage.select(cursor)

    def update_chunk(self, chunk: Chunk) -> None:
        (mean, square), (negative_rate, *shrinkage), grad = chunk.state, chunk.factors, chunk.grad
        if shrinkage:
            chunk.target.mul_(shrinkage[0])
        mean.lerp_(grad, 1 - self.betas[0])  # m
        square.mul_(self.betas[1]).addcmul_(grad, grad, value=1 - self.betas[1])  # v
        # the denominator, then the quotient, reuse g's memory
        denominator = torch.sqrt(square, out=grad).add_(self._corrected_epsilons.current.view(()))
        chunk.target.addcmul_(torch.div(mean, denominator, out=denominator), negative_rate)


class RMSprop(GradientOptimizer):
    """v <- 0.99 v + 0.01 g²; p <- p - rate * g / (sqrt(v) + 1e-8), as torch.optim.RMSprop.

    Hinton 2012, lecture 6e; D2L 12.8.
    """

    state_count = 1  # v
    alpha, epsilon = 0.99, 1e-8

    def update_chunk(self, chunk: Chunk) -> None:
        (negative_rate,) = chunk.factors
        chunk.target.addcmul_(self._update_and_scale(chunk), negative_rate)

    def _update_and_scale(self, chunk: Chunk) -> Tensor:
        """Updates v; gives back g / (sqrt(v) + 1e-8), written over g."""
        square, grad = chunk.state[0], chunk.grad
        square.mul_(self.alpha).addcmul_(grad, grad, value=1 - self.alpha)  # v
        return grad.div_(square.sqrt().add_(self.epsilon))


class RMSpropMomentum(RMSprop):
    """As RMSprop, with b <- momentum * b + g / (sqrt(v) + 1e-8); p <- p - rate * b."""

    state_count = 2  # v, b

    def factors(self) -> list[RunFactors]:  # negative rate, momentum
        return [self._negative_rates, self._run_factors([config.momentum for config in self._configs])]

    def update_chunk(self, chunk: Chunk) -> None:
        (_, velocity), (negative_rate, momentum) = chunk.state, chunk.factors
        velocity.mul_(momentum).add_(self._update_and_scale(chunk))  # b
        chunk.target.addcmul_(velocity, negative_rate)


# by MLPConfig.update_rule
OPTIMIZERS: dict[str, type[SGD | GradientOptimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "rmsprop": RMSprop,
    "rmsprop_momentum": RMSpropMomentum,
}

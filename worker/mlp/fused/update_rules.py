"""The rules of torch.optim that need a gradient by itself, with coefficients of each run.

In the formulas p is a parameter, g its grad with the L2 penalty, and `rate` the learning rate of the step. Everything
is elementwise and in place, on tensors with the shape of the chunk.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.gradient_optimizer import Chunk, GradientOptimizer
from worker.mlp.fused.parameters import RunFactors, StackedParameters, StepFactors
from worker.mlp.fused.step_table import StepTable


class Momentum(GradientOptimizer):
    """b <- momentum * b + g; p <- p - rate * b, from b = 0, as torch.optim.SGD. Polyak 1964; D2L 12.6."""

    state_count = 1  # b

    def factors(self) -> list[RunFactors]:
        return [self._negative_rates, self._run_factors([config.momentum for config in self._configs])]

    def update_chunk(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.state, chunk.factors
        velocity.mul_(momentum).add_(chunk.grad)  # b <- momentum * b + g
        chunk.target.addcmul_(velocity, negative_rate)  # p <- p - rate * b


class Nesterov(Momentum):
    """b <- momentum * b + g; p <- p - rate * (g + momentum * b), as torch.optim.SGD. Sutskever et al. 2013."""

    def update_chunk(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.state, chunk.factors
        velocity.mul_(momentum).add_(chunk.grad)  # b <- momentum * b + g
        lookahead_grad = chunk.grad.addcmul_(velocity, momentum)  # g + momentum * b, in the memory of g
        chunk.target.addcmul_(lookahead_grad, negative_rate)  # p <- p - rate * (g + momentum * b)


class Adam(GradientOptimizer):
    """m <- 0.9 m + 0.1 g; v <- 0.999 v + 0.001 g²; p <- p - rate * m' / (sqrt(v') + 1e-8), with m' = m / (1 - 0.9^t)
    and v' = v / (1 - 0.999^t) at step t, as torch.optim.Adam. Kingma and Ba 2015; D2L 12.10.

    The decay of "adamw" is p <- (1 - rate * weight_decay) p, before it, as torch.optim.AdamW. Loshchilov and Hutter
    2019.
    """

    state_count = 2  # m and v
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
        self._epsilon = StepTable(1, like)  # epsilon * sqrt(1 - 0.999^t)
        super().__init__(configs, parameters, like)

    def factors(self) -> list[RunFactors]:
        return [self._negative_rates, *([self._shrinkage] if self._shrinkage else [])]

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64
    ) -> None:
        t = torch.arange(self.steps + 1, self.steps + len(rates) + 1, dtype=torch.float64).unsqueeze(1)  # [steps, 1]
        first_correction = 1 - self.betas[0] ** t  # [steps, 1]
        root_correction = torch.sqrt(1 - self.betas[1] ** t)  # [steps, 1]
        # With numerator and denominator multiplied by sqrt(1 - 0.999^t), both corrections go into one number a step
        # here, and the device takes one pass less over the parameters.
        super().load_rates(rates * (root_correction / first_correction))
        self._epsilon.load(self.epsilon * root_correction)
        if self._shrinkage:
            self._shrinkage.load(1 - rates * self._decoupled_decay)

    def begin_step(
        self,
        batch: int,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        super().begin_step(batch, cursor)
        self._epsilon.select(cursor)
        if self._shrinkage:
            self._shrinkage.select(cursor)

    def update_chunk(self, chunk: Chunk) -> None:
        (mean, square), (negative_rate, *shrinkage), grad = chunk.state, chunk.factors, chunk.grad
        if shrinkage:
            chunk.target.mul_(shrinkage[0])  # p <- (1 - rate * weight_decay) p
        mean.lerp_(grad, 1 - self.betas[0])  # m <- 0.9 m + 0.1 g
        square.mul_(self.betas[1]).addcmul_(grad, grad, value=1 - self.betas[1])  # v <- 0.999 v + 0.001 g²
        # g is no longer needed: what divides m takes its memory, and then the quotient takes that
        root = torch.sqrt(square, out=grad).add_(self._epsilon.current.view(()))
        chunk.target.addcmul_(torch.div(mean, root, out=root), negative_rate)


class RMSprop(GradientOptimizer):
    """v <- 0.99 v + 0.01 g²; p <- p - rate * g / (sqrt(v) + 1e-8), as torch.optim.RMSprop.

    Hinton 2012, lecture 6e; D2L 12.8.
    """

    state_count = 1  # v
    alpha, epsilon = 0.99, 1e-8

    def update_chunk(self, chunk: Chunk) -> None:
        chunk.target.addcmul_(self._scaled_grad(chunk), chunk.factors[0])

    def _scaled_grad(self, chunk: Chunk) -> Tensor:  # as the chunk's grad, in its memory
        square, grad = chunk.state[0], chunk.grad
        square.mul_(self.alpha).addcmul_(grad, grad, value=1 - self.alpha)  # v <- 0.99 v + 0.01 g²
        return grad.div_(square.sqrt().add_(self.epsilon))  # g / (sqrt(v) + 1e-8)


class RMSpropMomentum(RMSprop):
    """As RMSprop, with b <- momentum * b + g / (sqrt(v) + 1e-8); p <- p - rate * b."""

    state_count = 2  # v and b

    def factors(self) -> list[RunFactors]:
        return [self._negative_rates, self._run_factors([config.momentum for config in self._configs])]

    def update_chunk(self, chunk: Chunk) -> None:
        (_, velocity), (negative_rate, momentum) = chunk.state, chunk.factors
        velocity.mul_(momentum).add_(self._scaled_grad(chunk))  # b <- momentum * b + g / (sqrt(v) + 1e-8)
        chunk.target.addcmul_(velocity, negative_rate)  # p <- p - rate * b

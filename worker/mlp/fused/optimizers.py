"""The optimizers of fused networks: the update rules of torch.optim, with coefficients of each run.

Each rule is one function that changes a part of the parameters in place. In the formulas p is a parameter, g its grad,
and `rate` the learning rate of the step.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import STATE_PER_PARAMETER
from worker.mlp.fused.coefficients import Coefficients, RunCoefficients
from worker.mlp.fused.gradients import Gradient
from worker.mlp.fused.parameters import FlatParameters
from worker.mlp.fused.pieces import Piece, pieces

_adam_kernel = partial(  # what torch.optim.Adam(fused=True) calls
    torch.ops.aten._fused_adam_, beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, maximize=False
)


class Part(NamedTuple):
    """Some parameters, and what changes them."""

    p: Tensor  # [rows, length] or [numbers]
    g: Tensor  # as p: dL/dp, which a rule may write over
    spare: Tensor  # as p: what a rule may write to
    state: tuple[Tensor, ...]  # as p: what the rule remembers of each parameter
    c: Coefficients  # [rows, 1] or [numbers]
    t: Tensor  # () float32, steps since training began, this one included
    decay: float = 0.0  # where the part is a single run's: the weight_decay of its penalty

    def penalize(self) -> None:
        """Adds to g the gradient of the L2 penalty, as the optimizers of torch.optim do; D2L 3.7."""
        if self.c.penalty is not None:
            self.g.addcmul_(self.p, self.c.penalty)


def momentum(part: Part) -> None:
    """b <- momentum * b + g; p <- p - rate * b, from b = 0, as torch.optim.SGD. Polyak 1964; D2L 12.6."""
    part.penalize()
    (b,) = part.state
    b.mul_(part.c.momentum).add_(part.g)
    part.p.addcmul_(b, part.c.rate, value=-1)


def nesterov(part: Part) -> None:
    """b <- momentum * b + g; p <- p - rate * (g + momentum * b), as torch.optim.SGD. Sutskever et al. 2013."""
    part.penalize()
    (b,) = part.state
    b.mul_(part.c.momentum).add_(part.g)
    part.g.addcmul_(b, part.c.momentum)
    part.p.addcmul_(part.g, part.c.rate, value=-1)


def adam(part: Part) -> None:
    """m <- 0.9 m + 0.1 g; v <- 0.999 v + 0.001 g²; p <- p - rate * m' / (sqrt(v') + 1e-8), with m' = m / (1 - 0.9^t)
    and v' = v / (1 - 0.999^t) at step t, as torch.optim.Adam. Kingma and Ba 2015; D2L 12.10.

    The decay of "adamw" is p <- (1 - rate * weight_decay) p, before it, as torch.optim.AdamW. Loshchilov and Hutter
    2019.
    """
    m, v = part.state
    if part.c.shrinkage is not None:
        part.p.mul_(part.c.shrinkage)
    # torch's kernel does all in one pass, but has one rate and one decay for all numbers
    if part.c.rate.dim() == 0:
        _adam_kernel([part.p], [part.g], [m], [v], [], [part.t], lr=part.c.rate, weight_decay=part.decay)
    else:  # with rate 1 it takes the step from 0, which is then scaled for each run
        part.penalize()
        step = part.spare.zero_()
        _adam_kernel([step], [part.g], [m], [v], [], [part.t], lr=1, weight_decay=0)
        part.p.addcmul_(step, part.c.rate)


def rmsprop(part: Part) -> None:
    """v <- 0.99 v + 0.01 g²; p <- p - rate * g / (sqrt(v) + 1e-8), as torch.optim.RMSprop.

    Hinton 2012, lecture 6e; D2L 12.8.
    """
    part.penalize()
    (v,) = part.state
    v.mul_(0.99).addcmul_(part.g, part.g, value=0.01)
    root = torch.sqrt(v, out=part.spare).add_(1e-8)
    part.p.addcmul_(part.g.div_(root), part.c.rate, value=-1)


def rmsprop_momentum(part: Part) -> None:
    """As RMSprop, with b <- momentum * b + g / (sqrt(v) + 1e-8); p <- p - rate * b."""
    part.penalize()
    v, b = part.state
    v.mul_(0.99).addcmul_(part.g, part.g, value=0.01)
    root = torch.sqrt(v, out=part.spare).add_(1e-8)
    b.mul_(part.c.momentum).add_(part.g.div_(root))
    part.p.addcmul_(b, part.c.rate, value=-1)


class Change(NamedTuple):
    """What is done to one piece of the parameters in a step: views, made once for a workspace."""

    gradients: list[tuple[Gradient, Tensor]]  # each with the memory in its shape that it is written to, or added to
    p: Tensor  # [rows, length] or [numbers]
    g: Tensor  # as p; for plain SGD p itself
    c: Coefficients  # [rows, 1] or [numbers]
    parts: list[Part]  # of which a rule changes one after the other; none for plain SGD


def sgd(change: Change) -> None:
    """p <- p - rate * (g + weight_decay * p), as torch.optim.SGD. D2L 12.5.

    The grad arrives multiplied with minus the rate: the product that computes it adds it to the parameters, and it is
    never stored.
    """
    if change.c.shrinkage is not None:  # first: the decay is of the parameters as they were before the step
        change.p.mul_(change.c.shrinkage)
    for gradient, target in change.gradients:
        gradient.add_to(target)


# by MLPConfig.update_rule, but for plain SGD, which needs no grad by itself
RULES = {
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "rmsprop": rmsprop,
    "rmsprop_momentum": rmsprop_momentum,
}
SINGLE_RUN_NUMBERS = 2**14  # of a run in a piece, from which on Adam's one pass is worth a call for each run


class Optimizer:
    """Changes the parameters of a group by what a backward pass has left in a workspace."""

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run, all of one update rule
        parameters: FlatParameters,  # changed in place
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        name = configs[0].update_rule
        self._rule, self._parameters = RULES.get(name), parameters
        self.state = [  # what the rule remembers of each parameter
            FlatParameters(parameters.layout, like, parameters.normalizes) for _ in range(STATE_PER_PARAMETER[name])
        ]
        self.steps = 0  # since training began, those that are loaded included
        self._t = torch.zeros((), device=like.device)  # the same on the device, as far as steps are taken
        self._pieces = pieces(parameters, cached=like.device.type == "cpu" and self._rule is not None)
        self._coefficients = RunCoefficients(configs, name == "sgd", self._pieces, like)
        # the grads of all pieces share one memory, which stays in a CPU's cache throughout a step
        size = max(piece.size for piece in self._pieces) if self._rule else 0
        self._grad, self._spare = like.new_zeros(size), like.new_zeros(size)

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64
    ) -> None:
        """Prepares the next steps."""
        self._t.fill_(self.steps)
        self.steps += len(rates)
        self._coefficients.load(rates)

    def begin_step(
        self,
        cursor: Tensor,  # [1] int64, the row of this step among those that were loaded last
    ) -> None:
        """Starts the step at the cursor."""
        self._t.add_(1)
        self._coefficients.select(cursor)

    def logits_grad_scale(self, batch: int) -> Tensor | float:  # [runs, 1, 1], or one for all
        """What each run's grad of the summed losses with respect to its logits is to be multiplied with.

        Here, where there are few numbers, and not at the parameters, where there are many.
        """
        if self._rule is None:
            return self._coefficients.rates.view(-1, 1, 1) / -batch
        return 1 / batch

    def changes(
        self,
        gradients: Sequence[Gradient],  # of all parameters that are trained, in their order
    ) -> list[Change]:
        """What `update` does."""
        pairs = zip(self._pieces, self._coefficients.by_piece, strict=True)
        return [self._change(piece, c, gradients) for piece, c in pairs]

    def update(self, changes: Sequence[Change]) -> None:
        """Changes all parameters by their grads."""
        for change in changes:
            if self._rule is None:
                sgd(change)
                continue
            for gradient, out in change.gradients:
                gradient.write(out)
            for part in change.parts:
                self._rule(part)

    def _change(self, piece: Piece, c: Coefficients, gradients: Sequence[Gradient]) -> Change:
        p = self._parameters.numbers[piece.span].view(piece.shape)
        if self._rule is None:
            return Change(self._targets(piece, p, gradients), p, p, c, [])
        g, spare = (memory[: p.numel()].view(p.shape) for memory in (self._grad, self._spare))
        state = tuple(stacked.numbers[piece.span].view(p.shape) for stacked in self.state)
        part = Part(p, g, spare, state, c, self._t)
        if self._rule is adam and p.device.type == "cpu":
            parts = list(_by_run(part, piece, self._coefficients.penalties))
        else:
            parts = [part]
        return Change(self._targets(piece, g, gradients), p, g, c, parts)

    def _targets(self, piece: Piece, memory: Tensor, gradients: Sequence[Gradient]) -> list[tuple[Gradient, Tensor]]:
        """The gradients of a piece, each with its part of a memory of the piece's size."""
        targets = []
        for entry in piece.entries:
            gradient = gradients[entry.gradient].part(entry.rows)
            start, stop = entry.span.start - piece.span.start, entry.span.stop - piece.span.start
            targets.append((gradient, memory.flatten()[start:stop].view(gradient.shape)))
        return targets


def _by_run(
    part: Part,
    piece: Piece,  # whose part it is
    penalties: Sequence[float],  # [runs]
) -> Iterator[Part]:
    """The runs of a part, each with coefficients of no dimension, where they are large enough to be worth a call."""
    runs, counts = torch.unique_consecutive(piece.runs, return_counts=True)
    if part.p.dim() == 1 or part.p.numel() < SINGLE_RUN_NUMBERS * len(runs):
        yield part
        return
    stop = 0
    for run, count in zip(runs.tolist(), counts.tolist(), strict=True):
        start, stop = stop, stop + count
        rate, shrinkage, *_ = part.c
        c = part.c._replace(rate=rate[start, 0], shrinkage=None if shrinkage is None else shrinkage[start, 0])
        p, g, spare, *state = (numbers[start:stop] for numbers in (part.p, part.g, part.spare, *part.state))
        yield Part(p, g, spare, tuple(state), c, part.t, penalties[run])

"""The rules of torch.optim that need a gradient by itself, with coefficients of each run."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.parameters import Bank, Norms, PerRun, PerStep
from worker.mlp.fused.step_table import Planned
from worker.mlp.initializers import Layer


class Chunk(NamedTuple):
    """Some parameters of neighbouring runs with what changes them: views, made once."""

    where: slice  # along the first dimension
    target: Tensor
    memory: tuple[Tensor, ...]  # as the target
    factors: tuple[Tensor, ...]  # of each run, to be broadcast
    gradient: Tensor  # as the target; shared by all chunks, and free to be written over


# Numbers changed at a time. Smaller pieces make the products slow (2**14: by a third); larger ones take memory, and
# leave the cache: no loss on a quiet machine, twice the time measured beside workers that share it.
CACHED = 2**17


class ByGradient:
    """A rule that needs the gradient itself: `change` gets it a piece at a time, while it is in the cache.

    So the gradient of a whole group is never there at once. A subclass names how many `memories` it keeps of each
    parameter and its `factors`.
    """

    memories = 0

    def __init__(self, configs: Sequence[MLPConfig], bank: Bank, like: Tensor) -> None:
        gain = 0 if bank.norms else None
        self.memory = [Bank(bank.layout, like, gain) for _ in range(self.memories)]
        self.steps = 0
        self._bank = bank
        self._configs, self._layout, self._like = configs, bank.layout, like
        self._negative_rates = PerStep(bank, like)
        self._l2 = self._decay([0.0 if config.optimizer == "adamw" else config.weight_decay for config in configs])
        self._cut(self.factors())

    def _per_run(self, values: Sequence[float]) -> PerRun:
        return PerRun(self._like.new_tensor(values), self._bank)

    def _decay(self, values: Sequence[float]) -> PerRun | None:
        return self._per_run(values) if any(values) else None

    def factors(self) -> list[PerRun]:
        """What `change` finds in its chunk's factors."""
        return [self._negative_rates]

    def change(self, chunk: Chunk) -> None:
        """Changes the chunk's target by its gradient, to which the L2 penalty was added."""
        raise NotImplementedError

    def plan(self, rates: Tensor) -> None:
        self.steps += len(rates)
        self._negative_rates.plan(-rates)

    def begin(self, batch: int, cursor: Tensor) -> None:
        self._batch = batch
        self._negative_rates.take(cursor)

    def signal_scale(self) -> float:
        return 1 / self._batch

    def update(self, block: int | None, delta: Tensor, inputs: Tensor) -> None:
        weights, bias = self._chunks[block]
        for chunk in weights:
            if block is None:
                torch.mm(delta[chunk.where], inputs, out=chunk.gradient)
            else:
                torch.bmm(delta[chunk.where], inputs[chunk.where], out=chunk.gradient)
            self._change(block, chunk)
        if self._bank.biased(block):
            torch.sum(delta, -1, keepdim=True, out=bias.gradient)
            self._change(block, bias)

    def update_norm(self, block: int | None, gradients: Layer) -> None:
        for chunk, gradient in zip(self._norm_chunks[block], gradients, strict=True):
            self._change(block, chunk._replace(gradient=gradient.view(chunk.target.shape)))

    def _change(self, block: int | None, chunk: Chunk) -> None:
        if self._l2:
            chunk.gradient.addcmul_(chunk.target, self._l2.of(block)[chunk.where])
        self.change(chunk)

    def _cut(self, factors: list[PerRun]) -> None:
        """Makes the chunks of every layer; on a device with a cache of its own each layer is one."""
        blocks = [None, *(i for i, block in enumerate(self._layout.blocks) if block.source is not None)]
        layers = {block: self._bank.layer(block) for block in blocks}
        lengths = {block: _chunk_length(layer.weight) for block, layer in layers.items()}
        sizes = [lengths[block] * layer.weight[0].numel() for block, layer in layers.items()]
        scratch = self._like.new_empty(max([*sizes, *(layer.bias.numel() for layer in layers.values())]))
        self._chunks: dict[int | None, tuple[list[Chunk], Chunk]] = {}
        for block, layer in layers.items():
            kept, each = [memory.layer(block) for memory in self.memory], [f.of(block) for f in factors]
            weights = [
                _chunk(slice(start, start + lengths[block]), layer.weight, [k.weight for k in kept], each, scratch)
                for start in range(0, len(layer.weight), lengths[block])
            ]
            biases = _chunk(slice(0, len(layer.bias)), layer.bias, [k.bias for k in kept], each, scratch)
            self._chunks[block] = weights, biases
        self._norm_chunks = self._cut_norms(self._bank.norms, factors) if self._bank.norms else {}

    def _cut_norms(self, norms: Norms, factors: list[PerRun]) -> dict[int | None, tuple[Chunk, Chunk]]:
        """Makes the chunks of gains and shifts; they take no part of the scratch memory."""
        blocks = [i for i, block in enumerate(self._layout.blocks) if block.source is not None and block.activation]
        chunks: dict[int | None, tuple[Chunk, Chunk]] = {}
        for block in (None, *blocks):
            gain, shift = norms.layer(block)
            kept = [memory.norms.layer(block) for memory in self.memory if memory.norms]
            every, each = slice(0, len(gain)), [factor.of(block) for factor in factors]
            chunks[block] = (
                _chunk(every, gain, [k.weight for k in kept], each, gain),
                _chunk(every, shift, [k.bias for k in kept], each, shift),
            )
        return chunks


def _chunk_length(weight: Tensor) -> int:
    """How many rows, or runs, are changed at a time."""
    most = CACHED // weight[0].numel() if weight.device.type == "cpu" else len(weight)
    return min(max(most, 1), len(weight))


def _chunk(where: slice, target: Tensor, memory: list[Tensor], factors: list[Tensor], scratch: Tensor) -> Chunk:
    part = target[where]
    return Chunk(
        where,
        part,
        tuple(kept[where] for kept in memory),
        tuple(factor[where] for factor in factors),
        scratch.flatten()[: part.numel()].view(part.shape),
    )


class Momentum(ByGradient):
    """b <- momentum * b + g; p <- p - rate * b, from b = 0, as torch.optim.SGD. Polyak 1964."""

    memories = 1

    def factors(self) -> list[PerRun]:
        return [self._negative_rates, self._per_run([config.momentum for config in self._configs])]

    def change(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.memory, chunk.factors
        velocity.mul_(momentum).add_(chunk.gradient)
        chunk.target.addcmul_(velocity, negative_rate)


class Nesterov(Momentum):
    """b <- momentum * b + g; p <- p - rate * (g + momentum * b), as torch.optim.SGD. Sutskever et al. 2013."""

    def change(self, chunk: Chunk) -> None:
        (velocity,), (negative_rate, momentum) = chunk.memory, chunk.factors
        velocity.mul_(momentum).add_(chunk.gradient)
        ahead = chunk.gradient.addcmul_(velocity, momentum)
        chunk.target.addcmul_(ahead, negative_rate)


class Adam(ByGradient):
    """m <- 0.9 m + 0.1 g; v <- 0.999 v + 0.001 g²; p <- p - rate * m' / (sqrt(v') + 1e-8), with m' = m / (1 - 0.9^t)
    and v' = v / (1 - 0.999^t) at step t, as torch.optim.Adam. Kingma and Ba 2015.

    The decay of "adamw" is p <- (1 - rate * weight_decay) p, before it, as torch.optim.AdamW. Loshchilov and Hutter
    2019.
    """

    memories = 2
    betas, epsilon = (0.9, 0.999), 1e-8

    def __init__(self, configs: Sequence[MLPConfig], bank: Bank, like: Tensor) -> None:
        decay = [config.weight_decay if config.optimizer == "adamw" else 0.0 for config in configs]
        self._decoupled = torch.tensor(decay, dtype=torch.float64)
        self._kept = PerStep(bank, like) if any(decay) else None
        self._epsilon = Planned(1, like)
        super().__init__(configs, bank, like)

    def factors(self) -> list[PerRun]:
        return [self._negative_rates, *([self._kept] if self._kept else [])]

    def plan(self, rates: Tensor) -> None:
        taken = torch.arange(self.steps + 1, self.steps + len(rates) + 1, dtype=torch.float64).unsqueeze(1)
        first, root = 1 - self.betas[0] ** taken, torch.sqrt(1 - self.betas[1] ** taken)
        # multiplied with sqrt(1 - 0.999^t), numerator and denominator: one pass less
        super().plan(rates * (root / first))
        self._epsilon.plan(self.epsilon * root)
        if self._kept:
            self._kept.plan(1 - rates * self._decoupled)

    def begin(self, batch: int, cursor: Tensor) -> None:
        super().begin(batch, cursor)
        self._epsilon.take(cursor)
        if self._kept:
            self._kept.take(cursor)

    def change(self, chunk: Chunk) -> None:
        (mean, square), (negative_rate, *kept), gradient = chunk.memory, chunk.factors, chunk.gradient
        if kept:
            chunk.target.mul_(kept[0])
        mean.lerp_(gradient, 1 - self.betas[0])
        square.mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])
        root = torch.sqrt(square, out=gradient).add_(self._epsilon.now.view(()))
        chunk.target.addcmul_(torch.div(mean, root, out=root), negative_rate)


class RMSprop(ByGradient):
    """v <- 0.99 v + 0.01 g²; p <- p - rate * g / (sqrt(v) + 1e-8), as torch.optim.RMSprop. Hinton 2012, lecture 6e."""

    memories = 1
    alpha, epsilon = 0.99, 1e-8

    def change(self, chunk: Chunk) -> None:
        chunk.target.addcmul_(self._scaled(chunk), chunk.factors[0])

    def _scaled(self, chunk: Chunk) -> Tensor:
        square, gradient = chunk.memory[0], chunk.gradient
        square.mul_(self.alpha).addcmul_(gradient, gradient, value=1 - self.alpha)
        return gradient.div_(square.sqrt().add_(self.epsilon))


class RMSpropMomentum(RMSprop):
    """As RMSprop, with b <- momentum * b + g / (sqrt(v) + 1e-8); p <- p - rate * b."""

    memories = 2

    def factors(self) -> list[PerRun]:
        return [self._negative_rates, self._per_run([config.momentum for config in self._configs])]

    def change(self, chunk: Chunk) -> None:
        (_, velocity), (negative_rate, momentum) = chunk.memory, chunk.factors
        velocity.mul_(momentum).add_(self._scaled(chunk))
        chunk.target.addcmul_(velocity, negative_rate)

"""Gradients in chunks that stay in the cache, for the update rules that need a gradient by itself."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.layout import BlockIndex
from worker.mlp.fused.parameters import RunFactors, StackedNorms, StackedParameters, StepFactors
from worker.mlp.initializers import Layer

# Numbers changed at a time. Smaller pieces make the products slow (2**14: by a third); larger ones take memory, and
# leave the cache: no loss on a quiet machine, twice the time measured beside workers that share it.
CHUNK_NUMBERS = 2**17


class Chunk(NamedTuple):
    """Some parameters of neighbouring runs with what changes them: views, made once and used in every step.

    Their shape is [rows, features] in the first layer and [runs, outputs, inputs] in a block, with a 1 in place of the
    last width for biases, gains and shifts.
    """

    part: slice  # along the first dimension of its layer
    target: Tensor  # the parameters themselves
    state: tuple[Tensor, ...]  # as the target: what the rule remembers, in the order told at `state_count`
    factors: tuple[Tensor, ...]  # [rows, 1] or [runs, 1, 1]: coefficients of each run, in the order of `factors()`
    grad: Tensor  # as the target: dL/dtarget; memory that all chunks share, and that a rule may write over


class GradientOptimizer:
    """A rule that needs the gradient itself: `update_chunk` gets it a piece at a time, while it is in the cache.

    So the gradient of a whole group is never there at once. A subclass says in `state_count` how many numbers it
    remembers of each parameter, and in `factors` which coefficients it has.
    """

    state_count = 0  # a subclass names here, in order, what `update_chunk` finds in its chunk's state

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run
        parameters: StackedParameters,  # changed in place
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        gain = 0 if parameters.norms else None
        self.state = [StackedParameters(parameters.layout, like, gain) for _ in range(self.state_count)]
        self.steps = 0
        self._parameters = parameters
        self._configs, self._layout, self._like = configs, parameters.layout, like
        self._negative_rates = StepFactors(parameters, like)  # negative: what is added goes downhill
        penalties = [0.0 if config.optimizer == "adamw" else config.weight_decay for config in configs]
        self._l2_penalty = self._run_factors(penalties) if any(penalties) else None
        self._make_chunks(self.factors())

    def _run_factors(self, values: Sequence[float]) -> RunFactors:
        return RunFactors(self._like.new_tensor(values), self._parameters)

    def factors(self) -> list[RunFactors]:  # negative rate
        """The coefficients that `update_chunk` finds in its chunk's factors, in this order."""
        return [self._negative_rates]

    def update_chunk(self, chunk: Chunk) -> None:
        """Changes the chunk's target by its grad, to which the L2 penalty was added."""
        raise NotImplementedError

    def load_rates(
        self,
        rates: Tensor,  # [steps, runs] float64
    ) -> None:
        self.steps += len(rates)
        self._negative_rates.load(-rates)

    def begin_step(
        self,
        batch: int,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        self._batch = batch
        self._negative_rates.select(cursor)

    def logits_grad_scale(self) -> float:
        return 1 / self._batch  # from the sum of the losses to their mean

    def update(
        self,
        block: BlockIndex,
        outputs_grad: Tensor,  # [(runs,) outputs, batch] dL/dz of the mean loss
        inputs: Tensor,  # [(runs,) batch, inputs]
    ) -> None:
        weight_chunks, bias_chunk = self._chunks[block]
        for chunk in weight_chunks:
            # each product is used up by the rule before the next one is written over it
            if block is None:
                torch.mm(outputs_grad[chunk.part], inputs, out=chunk.grad)  # [rows, features]
            else:
                torch.bmm(outputs_grad[chunk.part], inputs[chunk.part], out=chunk.grad)  # [runs, outputs, inputs]
            self._penalize_and_update(block, chunk)
        if self._parameters.trains_bias(block):
            torch.sum(outputs_grad, -1, keepdim=True, out=bias_chunk.grad)  # [(runs,) outputs, 1]
            self._penalize_and_update(block, bias_chunk)

    def update_norm(
        self,
        block: BlockIndex,
        grads: Layer,  # dL/dgain and dL/dshift, [units] each
    ) -> None:
        for chunk, grad in zip(self._norm_chunks[block], grads, strict=True):
            self._penalize_and_update(block, chunk._replace(grad=grad.view(chunk.target.shape)))

    def _penalize_and_update(self, block: BlockIndex, chunk: Chunk) -> None:
        if self._l2_penalty:  # grad + weight_decay * p, as the optimizers of torch.optim have it; D2L 3.7
            chunk.grad.addcmul_(chunk.target, self._l2_penalty.of_block(block)[chunk.part])
        self.update_chunk(chunk)

    def _make_chunks(self, factors: list[RunFactors]) -> None:
        """Cuts every layer into chunks; on a device with a cache of its own each layer is one."""
        blocks = [None, *(i for i, block in enumerate(self._layout.blocks) if not block.reads_data)]
        layers = {block: self._parameters.layer(block) for block in blocks}
        lengths = {block: _chunk_length(layer.weight) for block, layer in layers.items()}
        sizes = [lengths[block] * layer.weight[0].numel() for block, layer in layers.items()]
        # one memory for the grads of all chunks, as large as the largest: it stays in the cache throughout a step
        grad_memory = self._like.new_empty(max([*sizes, *(layer.bias.numel() for layer in layers.values())]))
        self._chunks: dict[BlockIndex, tuple[list[Chunk], Chunk]] = {}  # by block: of the weight, and of the bias
        for block, layer in layers.items():
            state_layers = [state.layer(block) for state in self.state]
            views = [factor.of_block(block) for factor in factors]
            parts = [slice(start, start + lengths[block]) for start in range(0, len(layer.weight), lengths[block])]
            weight_state, bias_state = [s.weight for s in state_layers], [s.bias for s in state_layers]
            weight_chunks = [_chunk(part, layer.weight, weight_state, views, grad_memory) for part in parts]
            whole = slice(0, len(layer.bias))
            self._chunks[block] = weight_chunks, _chunk(whole, layer.bias, bias_state, views, grad_memory)
        self._norm_chunks = self._make_norm_chunks(self._parameters.norms, factors) if self._parameters.norms else {}

    def _make_norm_chunks(
        self, norms: StackedNorms, factors: list[RunFactors]
    ) -> dict[BlockIndex, tuple[Chunk, Chunk]]:
        """One chunk for the gains and one for the shifts of each block of hidden units."""
        blocks = [i for i, block in enumerate(self._layout.blocks) if block.is_hidden and not block.reads_data]
        chunks: dict[BlockIndex, tuple[Chunk, Chunk]] = {}
        for block in (None, *blocks):
            gain, shift = norms.layer(block)  # [runs, outputs, 1] or [hidden rows, 1] each
            state_layers = [state.norms.layer(block) for state in self.state if state.norms]
            whole, views = slice(0, len(gain)), [factor.of_block(block) for factor in factors]
            # gain and shift as grad: a placeholder, update_norm replaces grad before the chunk is used
            chunks[block] = (
                _chunk(whole, gain, [s.weight for s in state_layers], views, gain),
                _chunk(whole, shift, [s.bias for s in state_layers], views, shift),
            )
        return chunks


def _chunk_length(
    weight: Tensor,  # [rows, features] or [runs, outputs, inputs]
) -> int:
    """How many rows, or runs, are changed at a time."""
    length = CHUNK_NUMBERS // weight[0].numel() if weight.device.type == "cpu" else len(weight)
    return min(max(length, 1), len(weight))


def _chunk(
    part: slice,
    target: Tensor,  # [rows, ...] or [runs, ...], the whole layer's weight or bias
    state: list[Tensor],  # as the target
    factors: list[Tensor],  # [rows, 1] or [runs, 1, 1]
    grad_memory: Tensor,  # any shape, at least as many numbers as the part
) -> Chunk:
    target_part = target[part]
    return Chunk(
        part,
        target_part,
        tuple(tensor[part] for tensor in state),
        tuple(factor[part] for factor in factors),
        grad_memory.flatten()[: target_part.numel()].view(target_part.shape),
    )

"""The memory of a forward and backward pass of a fused network."""

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from worker.activations import Activation
from worker.fused_layout import Layout


class Values(NamedTuple):
    """A hidden layer's outputs for a batch; `before` and `after` are one where the activation works in place."""

    activation: Activation
    before: Tensor  # pre-activations
    after: Tensor  # hidden values
    gradient: Tensor  # of the loss, first with respect to `after`, then to `before`

    def activate(self) -> None:
        """Computes `after`."""
        self.activation.forward(self.before, self.after)

    def deactivate(self) -> None:
        """Takes the gradient back through the activation."""
        self.activation.backward(self.gradient, self.after if self.activation.in_place else self.before)


class Stage(NamedTuple):
    """One batched product behind the first layer: where a block reads and writes, [runs, width, batch] each."""

    block: int
    inputs: Tensor
    inputs_gradient: Tensor
    out: Tensor
    out_gradient: Tensor
    hidden: Values | None  # None: `out` is logits


class Workspace:
    """The buffers for batches of one size, made once and used in every step.

    Everything is [..., outputs, batch]: a run's rows are contiguous, and aligned whatever the widths beside it. The
    logits of runs without hidden layers end the first layer's output and begin the logits: both are one memory.
    When only evaluating, the gradients share the memory of the values.
    """

    def __init__(self, layout: Layout, batch: int, like: Tensor, training: bool = True) -> None:
        self.batch = batch
        self.data = like.new_empty(batch if training else 0, layout.features)  # for the examples of a mini-batch
        self.first, self.logits = self._joined(layout, like)
        if training:
            self.first_gradient, self.logits_gradient = self._joined(layout, like)
        else:
            self.first_gradient, self.logits_gradient = self.first, torch.empty_like(self.logits)
        self.sections: list[Values] = []  # the first layer, by activation
        self.stages: list[Stage] = []
        hidden = self._first_layer(layout)
        for index, block in enumerate(layout.blocks):
            if block.source is not None:
                if block.activation:
                    before = like.new_empty(block.size, block.outputs, batch)
                    gradient = torch.empty_like(before) if training else before
                    hidden[index] = _values(block.activation, before, gradient)
                self.stages.append(self._stage(layout, index, hidden))

    def _joined(self, layout: Layout, like: Tensor) -> tuple[Tensor, Tensor]:
        """[first rows, batch] and [runs, classes, batch], overlapping in the runs without hidden layers."""
        hidden = layout.hidden_rows * self.batch
        memory = like.new_empty(hidden + layout.runs * layout.classes * self.batch)
        first = memory[: layout.first_rows * self.batch].view(layout.first_rows, self.batch)
        return first, memory[hidden:].view(layout.runs, layout.classes, self.batch)

    def _first_layer(self, layout: Layout) -> dict[int, Values]:
        """Makes a section for each activation; gives back the blocks' values, which are views of their sections."""
        rows_of = list(layout.first_slices())
        hidden: dict[int, Values] = {}
        for activation, same in groupby(rows_of, lambda pair: layout.blocks[pair[0]].activation):
            if activation is None:
                continue
            members = list(same)
            start, stop = members[0][1].start, members[-1][1].stop
            section = _values(activation, self.first[start:stop], self.first_gradient[start:stop])
            self.sections.append(section)
            for index, rows in members:
                local = slice(rows.start - start, rows.stop - start)
                shape = (-1, layout.blocks[index].outputs, self.batch)
                hidden[index] = Values(activation, *(tensor[local].view(shape) for tensor in section[1:]))
        return hidden

    def _stage(self, layout: Layout, index: int, hidden: dict[int, Values]) -> Stage:
        block = layout.blocks[index]
        assert block.source is not None
        start = layout.blocks[block.source].runs.start
        local = slice(block.runs.start - start, block.runs.stop - start)
        source, mine = hidden[block.source], hidden.get(index)
        out = (self.logits[block.runs], self.logits_gradient[block.runs]) if mine is None else (mine[1], mine[3])
        return Stage(index, source.after[local], source.gradient[local], *out, mine)


def _values(activation: Activation, before: Tensor, gradient: Tensor) -> Values:
    return Values(activation, before, before if activation.in_place else torch.empty_like(before), gradient)

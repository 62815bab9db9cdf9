"""The memory of a forward and backward pass of a fused network."""

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.activations import Activation
from worker.mlp.batch_norm import Normalization
from worker.mlp.dropout import Noise
from worker.mlp.fused.layout import Layout


class Extras(NamedTuple):
    """What a training step of a group has beside linear layers and activations."""

    drops: bool = False
    normalizes: bool = False


class Dropped(NamedTuple):
    """Hidden values times a mask of zeros and 1 / (1 - dropout)."""

    mask: Tensor
    after: Tensor


class Values(NamedTuple):
    """A hidden layer's outputs for a batch; `before` and `after` are one where the activation works in place."""

    activation: Activation
    before: Tensor  # pre-activations
    after: Tensor  # hidden values
    gradient: Tensor  # of the loss, first with respect to `outputs`, then to `before`
    dropped: Dropped | None = None

    @property
    def outputs(self) -> Tensor:
        """What the next layer reads."""
        return self.dropped.after if self.dropped else self.after

    def activate(self) -> None:
        """Computes `outputs`."""
        self.activation.forward(self.before, self.after)
        if self.dropped:
            torch.mul(self.after, self.dropped.mask, out=self.dropped.after)

    def deactivate(self) -> None:
        """Takes the gradient back through mask and activation."""
        if self.dropped:
            self.gradient.mul_(self.dropped.mask)
        self.activation.backward(self.gradient, self.after if self.activation.in_place else self.before)

    def part(self, rows: slice, outputs: int) -> "Values":
        """Views of some rows, as [runs, outputs, batch]."""
        shape = (-1, outputs, self.before.shape[-1])
        before, after, gradient = (tensor[rows].view(shape) for tensor in (self.before, self.after, self.gradient))
        dropped = Dropped(*(tensor[rows].view(shape) for tensor in self.dropped)) if self.dropped else None
        return Values(self.activation, before, after, gradient, dropped)


class Stage(NamedTuple):
    """One batched product behind the first layer: where a block reads and writes, [runs, width, batch] each."""

    block: int
    inputs: Tensor
    inputs_gradient: Tensor
    out: Tensor
    out_gradient: Tensor
    hidden: Values | None  # None: `out` is logits
    norm: Normalization | None  # from `out` to what `hidden` begins with


class Mask(NamedTuple):
    """Where a block's mask [runs, outputs, batch] is, to be drawn in each step."""

    block: int
    mask: Tensor


class Workspace:
    """The buffers for batches of one size, made once and used in every step.

    Everything is [..., outputs, batch]: a run's rows are contiguous, and aligned whatever the widths beside it. The
    logits of runs without hidden layers end the first layer's output and begin the logits: both are one memory.
    When only evaluating, the gradients share the memory of the values, and there are no extras.
    """

    def __init__(self, layout: Layout, batch: int, like: Tensor, training: bool, extras: Extras) -> None:
        self.batch = batch
        self._training, self._extras = training, extras if training else Extras()
        self.data = like.new_empty(batch if training else 0, layout.features)  # for the examples of a mini-batch
        self.targets = torch.empty(batch if training else 0, dtype=torch.int64, device=like.device)
        self.first, self.logits = self._joined(layout, like)
        if training:
            self.first_gradient, self.logits_gradient = self._joined(layout, like)
        else:
            self.first_gradient, self.logits_gradient = self.first, torch.empty_like(self.logits)
        self.norm: Normalization | None = None  # of the whole first layer
        self.sections: list[Values] = []  # the first layer, by activation
        self.stages: list[Stage] = []
        hidden = self._first_layer(layout)
        for index, block in enumerate(layout.blocks):
            if block.source is not None:
                self.stages.append(self._stage(layout, index, hidden, like))
        self.masks = [Mask(index, values.dropped.mask) for index, values in hidden.items() if values.dropped]
        widths = layout.widest() if self._extras.drops else []
        self.noise = [Noise(width, batch, like.device) for width in widths]  # by hidden layer

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
        source = self.first
        if self._extras.normalizes:
            self.norm = Normalization.of(self.first[: layout.hidden_rows], self.first_gradient[: layout.hidden_rows])
            source = self.norm.after
        for activation, same in groupby(rows_of, lambda pair: layout.blocks[pair[0]].activation):
            if activation is None:
                continue
            members = list(same)
            start, stop = members[0][1].start, members[-1][1].stop
            section = self._values(activation, source[start:stop], self.first_gradient[start:stop])
            self.sections.append(section)
            for index, rows in members:
                local = slice(rows.start - start, rows.stop - start)
                hidden[index] = section.part(local, layout.blocks[index].outputs)
        return hidden

    def _stage(self, layout: Layout, index: int, hidden: dict[int, Values], like: Tensor) -> Stage:
        """Makes the stage of a block, and the block's values where it is a hidden layer."""
        block = layout.blocks[index]
        assert block.source is not None
        norm = None
        if block.activation is None:
            out, gradient = self.logits[block.runs], self.logits_gradient[block.runs]
        else:
            out = before = like.new_empty(block.size, block.outputs, self.batch)
            gradient = torch.empty_like(out) if self._training else out
            if self._extras.normalizes:
                norm = Normalization.of(out, gradient)
                before = norm.after.view(out.shape)
            hidden[index] = self._values(block.activation, before, gradient)
        start = layout.blocks[block.source].runs.start
        local = slice(block.runs.start - start, block.runs.stop - start)
        source = hidden[block.source]
        return Stage(index, source.outputs[local], source.gradient[local], out, gradient, hidden.get(index), norm)

    def _values(self, activation: Activation, before: Tensor, gradient: Tensor) -> Values:
        after = before if activation.in_place else torch.empty_like(before)
        dropped = Dropped(torch.empty_like(before), torch.empty_like(before)) if self._extras.drops else None
        return Values(activation, before, after, gradient, dropped)

"""The memory of a forward and backward pass of a fused network."""

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.activations import Activation
from worker.mlp.batch_norm import BatchNorm
from worker.mlp.dropout import Noise
from worker.mlp.fused.layout import Layout
from worker.mlp.fused.step_kind import StepKind


class DroppedValues(NamedTuple):
    """Hidden values of which some are dropped. Srivastava et al. 2014."""

    mask: Tensor  # as the hidden values: 0, or 1 / (1 - dropout)
    h: Tensor  # hidden values times the mask


class HiddenValues(NamedTuple):
    """A hidden layer's values for a batch: [rows, batch] of the first layer, [runs, outputs, batch] of a block.

    `z` and `h` are one memory where the activation works in place.
    """

    activation: Activation
    z: Tensor  # pre-activations, normalized where there is normalization
    h: Tensor  # hidden values
    grad: Tensor  # dL/d`outputs` before `backward`, dL/dz after it
    dropped: DroppedValues | None = None  # None: nothing is dropped

    @property
    def outputs(self) -> Tensor:
        """What the next layer reads."""
        return self.dropped.h if self.dropped else self.h

    def forward(self) -> None:
        """Computes `outputs` from `z`."""
        self.activation.forward(self.z, self.h)
        if self.dropped:  # not in place: the activation's backward pass needs h as it was
            torch.mul(self.h, self.dropped.mask, out=self.dropped.h)

    def backward(self) -> None:
        """Takes `grad` back through mask and activation, in place."""
        if self.dropped:
            self.grad.mul_(self.dropped.mask)
        self.activation.backward(self.grad, self.h if self.activation.in_place else self.z)

    def block_view(
        self,
        rows: slice,  # of the block, within these values
        outputs: int,  # of each of its runs
    ) -> "HiddenValues":  # [runs, outputs, batch] each
        """Views of a block that reads the data."""
        shape = (-1, outputs, self.z.shape[-1])
        z, h, grad = (tensor[rows].view(shape) for tensor in (self.z, self.h, self.grad))
        dropped = DroppedValues(*(tensor[rows].view(shape) for tensor in self.dropped)) if self.dropped else None
        return HiddenValues(self.activation, z, h, grad, dropped)


class Stage(NamedTuple):
    """One batched product behind the first layer: where a block reads and writes."""

    block: int  # its index in the layout
    inputs: Tensor  # [runs, inputs, batch]
    inputs_grad: Tensor  # [runs, inputs, batch]
    out: Tensor  # [runs, outputs, batch]
    out_grad: Tensor  # [runs, outputs, batch]
    hidden: HiddenValues | None  # [runs, outputs, batch] each; None: `out` is logits
    norm: BatchNorm | None  # from `out` to what `hidden` begins with


class Mask(NamedTuple):
    """Where a block's mask is, to be drawn in each step."""

    block: int  # its index in the layout
    mask: Tensor  # [runs, outputs, batch]


class Workspace:
    """The buffers for batches of one size, made once and used in every step.

    Everything is [..., outputs, batch]: a run's rows are contiguous, and aligned whatever the widths beside it. The
    logits of runs without hidden layers end the first layer's output and begin the logits: both are one memory.
    """

    def __init__(
        self,
        layout: Layout,
        batch: int,  # examples, exactly so many
        like: Tensor,  # any shape: gives dtype and device
        kind: StepKind | None,  # None: only to evaluate; the grads then share the memory of the values
    ) -> None:
        self.batch = batch
        self._training = kind is not None
        self._dropout, self._batch_norm = (kind.dropout, kind.batch_norm) if kind else (False, False)
        # a captured step reads the same memory in every replay, so that each mini-batch is copied to one place
        self.x = like.new_empty(batch if kind else 0, layout.features)  # [batch, features]
        self.y = torch.empty(batch if kind else 0, dtype=torch.int64, device=like.device)  # [batch]
        self.first_out, self.logits = self._outputs_and_logits(layout, like)
        # logits_grad holds log(softmax(z)) while a batch is scored; a training step then makes dL/dz of it in place
        if kind:
            self.first_out_grad, self.logits_grad = self._outputs_and_logits(layout, like)
        else:
            self.first_out_grad, self.logits_grad = self.first_out, torch.empty_like(self.logits)
        self.norm: BatchNorm | None = None  # of the hidden rows of the first layer
        self.sections: list[HiddenValues] = []  # the hidden rows of the first layer, a section for each activation
        self.stages: list[Stage] = []  # in the order of the forward pass
        hidden = self._make_sections(layout)
        for index, block in enumerate(layout.blocks):
            if not block.reads_data:
                self.stages.append(self._make_stage(layout, index, hidden, like))
        self.masks = [Mask(index, values.dropped.mask) for index, values in hidden.items() if values.dropped]
        widths = layout.max_widths() if self._dropout else []
        self.noise = [Noise(width, batch, like.device) for width in widths]  # by hidden layer, for all its blocks

    def _outputs_and_logits(
        self,
        layout: Layout,
        like: Tensor,  # any shape: gives dtype and device
    ) -> tuple[Tensor, Tensor]:  # [first rows, batch] and [runs, classes, batch]
        """The first layer's output and the logits, overlapping in the runs without hidden layers."""
        hidden_size = layout.hidden_rows * self.batch
        memory = like.new_empty(hidden_size + layout.runs * layout.classes * self.batch)
        first_out = memory[: layout.first_rows * self.batch].view(layout.first_rows, self.batch)
        return first_out, memory[hidden_size:].view(layout.runs, layout.classes, self.batch)

    def _make_sections(self, layout: Layout) -> dict[int, HiddenValues]:
        """Makes a section for each activation; gives back the blocks' values, which are views of their sections.

        One kernel then does an activation for all runs that have it, whatever their widths.
        """
        hidden: dict[int, HiddenValues] = {}
        z = self.first_out  # [first rows, batch]
        if self._batch_norm:
            hidden_rows = slice(0, layout.hidden_rows)
            self.norm = BatchNorm.of(self.first_out[hidden_rows], self.first_out_grad[hidden_rows])
            z = self.norm.y  # [hidden rows, batch]
        for activation, group in groupby(layout.first_slices(), lambda pair: layout.blocks[pair[0]].activation):
            if activation is None:
                continue
            slices = list(group)
            start, stop = slices[0][1].start, slices[-1][1].stop
            section = self._hidden_values(activation, z[start:stop], self.first_out_grad[start:stop])
            self.sections.append(section)
            for index, rows in slices:
                local_rows = slice(rows.start - start, rows.stop - start)
                hidden[index] = section.block_view(local_rows, layout.blocks[index].outputs)
        return hidden

    def _make_stage(
        self,
        layout: Layout,
        index: int,  # of the block
        hidden: dict[int, HiddenValues],  # of the blocks before it; a hidden block adds its own
        like: Tensor,  # any shape: gives dtype and device
    ) -> Stage:
        block = layout.blocks[index]
        assert block.source is not None
        norm = None
        if block.activation is None:
            out, out_grad = self.logits[block.runs], self.logits_grad[block.runs]  # [runs, classes, batch]
        else:
            out = z = like.new_empty(block.size, block.outputs, self.batch)
            out_grad = torch.empty_like(out) if self._training else out
            if self._batch_norm:
                norm = BatchNorm.of(out, out_grad)
                z = norm.y.view(out.shape)  # [runs, outputs, batch]
            hidden[index] = self._hidden_values(block.activation, z, out_grad)
        start = layout.blocks[block.source].runs.start
        local_runs = slice(block.runs.start - start, block.runs.stop - start)
        # Each run of the source is read by one block alone, which therefore writes its grad: nothing is zeroed before a
        # backward pass, and nothing added up.
        source = hidden[block.source]
        inputs, inputs_grad = source.outputs[local_runs], source.grad[local_runs]  # [runs, inputs, batch]
        return Stage(index, inputs, inputs_grad, out, out_grad, hidden.get(index), norm)

    def _hidden_values(
        self,
        activation: Activation,
        z: Tensor,  # [..., outputs, batch]
        grad: Tensor,  # [..., outputs, batch]
    ) -> HiddenValues:
        h = z if activation.in_place else torch.empty_like(z)
        dropped = DroppedValues(torch.empty_like(z), torch.empty_like(z)) if self._dropout else None
        return HiddenValues(activation, z, h, grad, dropped)

"""The memory of a forward and backward pass of a fused network."""

from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.activations import Activation
from worker.mlp.batch_norm import BatchNorm
from worker.mlp.dropout import Noise
from worker.mlp.fused.gradients import BatchedProductGradient, Gradient, ProductGradient, ReadyGradient, SumGradient
from worker.mlp.fused.layout import Layout
from worker.mlp.fused.optimizers import Change
from worker.mlp.fused.packing import Packing
from worker.mlp.fused.step_kind import StepKind


class Section(NamedTuple):
    """The hidden units of one level that have one activation: one kernel for all runs, whatever their widths."""

    activation: Activation
    z: Tensor  # [rows, batch] pre-activations, normalized where there is normalization
    h: Tensor  # [rows, batch] hidden values; the memory of z where all activations work in place
    grad: Tensor  # [rows, batch] dL/dh before `backward`, dL/dz after it

    def forward(self) -> None:
        self.activation.forward(self.z, self.h)

    def backward(self) -> None:
        self.activation.backward(self.grad, self.h if self.activation.in_place else self.z)


class Level(NamedTuple):
    """Hidden units with the same number of hidden layers before them."""

    rows: slice  # among the hidden rows
    z: Tensor  # [rows, batch] what the products give
    grad: Tensor  # [rows, batch] dL/d`outputs` before the backward pass, dL/dz after it
    norm: BatchNorm | None  # from z to what the sections begin with; only in training
    sections: list[Section]
    h: Tensor  # [rows, batch]
    mask: Tensor | None  # [rows, batch] 0, or 1 / (1 - dropout); None: nothing is dropped. Srivastava et al. 2014
    outputs: Tensor  # [rows, batch] what the next layer reads: h, or h times the mask

    def activate(self) -> None:
        """Computes `outputs` from what the sections begin with."""
        for section in self.sections:
            section.forward()
        if self.mask is not None:  # not in place: the activation's backward pass needs h as it was
            torch.mul(self.h, self.mask, out=self.outputs)

    def backward(self) -> None:
        """Takes `grad` back through mask and activation, in place."""
        if self.mask is not None:
            self.grad.mul_(self.mask)
        for section in self.sections:
            section.backward()


class Product(NamedTuple):
    """Where one batched product behind the first layer reads and writes."""

    block: int  # its index in the layout
    bias: Tensor | None  # [runs, outputs, 1] where it is not a view of the parameters
    inputs: Tensor  # [runs, inputs, batch]
    inputs_grad: Tensor  # [runs, inputs, batch]
    out: Tensor  # [runs, outputs, batch]
    out_grad: Tensor  # [runs, outputs, batch]


class DropoutBuffers(NamedTuple):
    """What the masks of all levels are drawn in."""

    noise: Noise  # for each level's widest layer, one below the other
    values: Tensor  # [hidden rows, batch] int32
    mask: Tensor  # [hidden rows, batch]


class Packed(NamedTuple):
    """The numbers that the products of a packed layout read and write, stages one below the other."""

    bias: Tensor  # [output rows, 1]
    inputs: Tensor  # [input rows, batch]
    inputs_grad: Tensor  # [input rows, batch]
    outputs: Tensor  # [output rows, batch], in the backward pass their grads

    @classmethod
    def zeros(cls, packing: Packing, batch: int, like: Tensor, training: bool) -> "Packed":
        inputs = like.new_zeros(packing.input_rows, batch)
        grad = torch.zeros_like(inputs) if training else inputs
        return cls(like.new_zeros(packing.output_rows, 1), inputs, grad, like.new_zeros(packing.output_rows, batch))


class Workspace:
    """The buffers for batches of one size, made once and used in every step.

    A unit's values for a batch lie side by side, in the row that the layout has for it.
    """

    def __init__(
        self,
        layout: Layout,
        packing: Packing | None,  # of a packed layout
        batch: int,  # examples, exactly so many
        like: Tensor,  # any shape: gives dtype and device
        kind: StepKind | None,  # None: only to evaluate; the grads then share the memory of the values
        target_dtype: torch.dtype,  # int64 of classes
    ) -> None:
        self.batch, self._layout, self._like, self._kind = batch, layout, like, kind
        # a captured step reads the same memory in every replay, so that each mini-batch is copied to one place
        self.x = like.new_empty(batch if kind else 0, layout.features)  # [batch, features]
        self.y = torch.empty(batch if kind else 0, dtype=target_dtype, device=like.device)  # [batch]
        rows, hidden = layout.row_count, slice(layout.logit_rows, layout.row_count)
        self._padding = int(packing is not None)  # a row of zeros behind the last one, which nothing writes to
        self.values = self._rows(rows)  # [rows, batch] what the products give
        self.grads = self._rows(rows) if kind else self.values  # [rows, batch]
        # the grads of the logits hold log(softmax(z)), or the errors of numbers, while a batch is scored; a step then
        # makes dL/dz of it in place
        logits_grad = self.grads[: hidden.start] if kind else torch.empty_like(self.values[: hidden.start])
        self.logits = self.values[: hidden.start].view(layout.runs, layout.outputs, batch)
        self.logits_grad = logits_grad.view(self.logits.shape)
        self.first_out, self.first_out_grad = self.values[layout.first_rows], self.grads[layout.first_rows]
        self._z = self._h = self._outputs = self.values[hidden.start :]  # [hidden rows, batch], with the row of zeros
        self.dropout: DropoutBuffers | None = None
        if kind:
            self._make_training_values(kind)
        self.norm_grads = like.new_empty(2, layout.hidden_rows if kind and kind.batch_norm else 0, 1)  # gain and shift
        self.levels = [self._level(index) for index in range(len(layout.levels))]
        self.packed = Packed.zeros(packing, batch, like, kind is not None) if packing else None
        self.hidden_outputs, self.hidden_grads = self._outputs, self.grads[hidden.start :]
        indices = count()  # of the blocks
        self.products = [[self._product(next(indices)) for _ in stage] for stage in layout.stages]  # by stage
        self.changes: Sequence[Change] = ()  # of the parameters, by the grads that a backward pass leaves here

    def gradients(self) -> Iterator[Gradient]:
        """Those of all parameters that are trained, in their order, from what a backward pass leaves."""
        yield ProductGradient(self.first_out_grad, self.x)
        for product in chain.from_iterable(self.products):
            yield BatchedProductGradient(product.out_grad, product.inputs.mT)
        if self.norm_grads.numel():
            yield ReadyGradient(self.norm_grads.flatten())
        # where a hidden unit has a shift, its bias is not trained; those of the logits come first
        yield SumGradient(self.grads[: self._layout.logit_rows if self.norm_grads.numel() else self._layout.row_count])

    def _rows(self, number: int) -> Tensor:  # [number, batch], or one row of zeros more
        memory = self._like.new_empty(number + self._padding, self.batch)
        memory[number:].zero_()
        return memory

    def _make_training_values(self, kind: StepKind) -> None:
        rows = self._layout.hidden_rows
        if kind.batch_norm:
            self._z = self._h = self._outputs = self._rows(rows)
        if not all(a.in_place for level in range(len(self._layout.levels)) for a, _ in self._layout.sections(level)):
            self._h = self._outputs = self._rows(rows)
        if kind.dropout:
            self._outputs = self._rows(rows)
            values = torch.empty(rows, self.batch, dtype=torch.int32, device=self._like.device)
            mask = self._like.new_empty(rows, self.batch)
            noise = Noise(self._layout.max_widths(), self.batch, self._like.device)
            self.dropout = DropoutBuffers(noise, values, mask)

    def _level(self, index: int) -> Level:
        all_rows = self._layout.levels[index]
        rows = self._layout.hidden(all_rows)
        z, grad, mask = self.values[all_rows], self.grads[all_rows], self.dropout.mask[rows] if self.dropout else None
        norm = BatchNorm.of(z, self._z[rows], grad) if self._kind and self._kind.batch_norm else None
        sections = []
        for activation, section in self._layout.sections(index):
            part = self._layout.hidden(section)
            part_z = self._z[part]  # [rows, batch]
            part_h = part_z if self._h is self._z else self._h[part]
            sections.append(Section(activation, part_z, part_h, self.grads[section]))
        return Level(rows, z, grad, norm, sections, self._h[rows], mask, self._outputs[rows])

    def _product(self, index: int) -> Product:
        block = self._layout.blocks[index]
        runs = len(block.runs)

        def view(memory: Tensor, start: int, width: int) -> Tensor:  # [runs, width, batch | 1]
            return memory[start : start + runs * width].view(runs, width, -1)

        memories = self.hidden_outputs, self.hidden_grads, self.values, self.grads
        if self.packed:
            memories = self.packed.inputs, self.packed.inputs_grad, self.packed.outputs, self.packed.outputs
        inputs, inputs_grad = (view(memory, block.input_row, block.inputs) for memory in memories[:2])
        out, out_grad = (view(memory, block.output_row, block.outputs) for memory in memories[2:])
        bias = view(self.packed.bias, block.output_row, block.outputs) if self.packed else None
        return Product(index, bias, inputs, inputs_grad, out, out_grad)

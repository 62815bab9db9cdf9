"""Parameters of many networks as few tensors, and whatever else has their shapes."""

import torch
from torch import Tensor

from worker.mlp.fused.layout import Layout
from worker.mlp.fused.step_table import Planned
from worker.mlp.initializers import Layer, Parameters


class Norms:
    """Two numbers for each hidden unit: gain and shift, or running mean and variance, of batch normalization.

    They are the weight and the bias of layers: [hidden rows, 1] for the first layer of all runs, and [n, outputs, 1]
    for each block.
    """

    def __init__(self, layout: Layout, like: Tensor, weight: float, bias: float) -> None:
        self._layout = layout

        def layer(*shape: int) -> Layer:
            return Layer(like.new_full(shape, weight), like.new_full(shape, bias))

        rows_of = dict(layout.first_slices())
        self._first = layer(layout.hidden_rows, 1)
        self._layers: dict[int, Layer] = {}
        for index, block in enumerate(layout.blocks):
            if block.activation:
                shape = (block.size, block.outputs, 1)
                in_first = index in rows_of
                self._layers[index] = (
                    Layer(*(tensor[rows_of[index]].view(shape) for tensor in self._first))
                    if in_first
                    else layer(*shape)
                )

    def layer(self, block: int | None) -> Layer:
        """A hidden block's, or without one the first layer's of all runs."""
        return self._first if block is None else self._layers[block]

    def of(self, position: int) -> Parameters:
        """Views of one run's, [outputs] and [outputs] for each hidden layer."""
        hidden = [index for index in self._layout.path(position) if index in self._layers]
        local = [position - self._layout.blocks[index].runs.start for index in hidden]
        return [
            Layer(*(tensor[at, :, 0] for tensor in self._layers[index]))
            for index, at in zip(hidden, local, strict=True)
        ]


class Bank:
    """Numbers shaped as the parameters of a group: the parameters themselves, or what an optimizer keeps of each.

    `first` is the first layer of all runs, weight [first rows, features] and bias [first rows, 1]. `layers` are the
    blocks', weight [n, outputs, inputs] and bias [n, outputs, 1]; those that read the data are views of `first`. All
    begins at zero; so do the `norms`, but for their gain, which is given where there are any. `run_of_row` is the run
    that each row of the first layer belongs to, [first rows] int64.
    """

    def __init__(self, layout: Layout, like: Tensor, gain: float | None = None) -> None:
        self.layout = layout
        self.run_of_row = layout.run_of_row().to(like.device)
        rows = layout.first_rows
        self.first = Layer(like.new_zeros(rows, layout.features), like.new_zeros(rows, 1))
        self.norms = None if gain is None else Norms(layout, like, gain, 0)
        rows_of = dict(layout.first_slices())
        self.layers: list[Layer] = []
        for index, block in enumerate(layout.blocks):
            weight, bias = (block.size, block.outputs, block.inputs), (block.size, block.outputs, 1)
            if index in rows_of:
                part = rows_of[index]
                self.layers.append(Layer(self.first.weight[part].view(weight), self.first.bias[part].view(bias)))
            else:
                self.layers.append(Layer(like.new_zeros(weight), like.new_zeros(bias)))

    def layer(self, block: int | None) -> Layer:
        """A block's layer, or without one the first layer of all runs."""
        return self.first if block is None else self.layers[block]

    def biased(self, block: int | None) -> bool:
        """Whether the bias of a block, or without one of the first layer, is trained: not where a norm's shift is."""
        return self.norms is None or (block is not None and self.layout.blocks[block].activation is None)

    def linear_of(self, position: int) -> Parameters:
        """Views of one run's linear layers, weight [outputs, inputs] and bias [outputs]."""
        layers = []
        for index in self.layout.path(position):
            local = position - self.layout.blocks[index].runs.start
            weight, bias = self.layers[index]
            layers.append(Layer(weight[local], bias[local, :, 0]))
        return layers

    def of(self, position: int) -> Parameters:
        """Views of all that a run has: its linear layers, then gain and shift of its hidden layers."""
        return self.linear_of(position) + (self.norms.of(position) if self.norms else [])


class PerRun:
    """One number for each run, as factors of its parameters."""

    def __init__(self, values: Tensor, bank: Bank) -> None:
        self._blocks, self._run_of_row = bank.layout.blocks, bank.run_of_row
        self._runs = values.clone()
        self._rows = values[self._run_of_row]

    def of(self, block: int | None) -> Tensor:
        """A view [n, 1, 1] for a block, or [first rows, 1] for the first layer of all runs."""
        return self._rows.view(-1, 1) if block is None else self._runs[self._blocks[block].runs].view(-1, 1, 1)


class PerStep(PerRun):
    """One number for each run that changes from step to step, under the views given before."""

    def __init__(self, bank: Bank, like: Tensor) -> None:
        super().__init__(like.new_zeros(bank.layout.runs), bank)
        self._planned = Planned(bank.layout.runs, like)

    def plan(self, values: Tensor) -> None:
        """Writes the numbers [steps, runs] of the steps that follow."""
        self._planned.plan(values)

    def take(self, cursor: Tensor) -> None:
        """Goes to those at the cursor."""
        self._runs.copy_(self._planned.take(cursor)[0])
        torch.index_select(self._runs, 0, self._run_of_row, out=self._rows)


def load(mine: Parameters, given: Parameters) -> None:
    """Copies layers; a network that begins is given linear layers alone, which are the first of its own."""
    for target, source in zip(mine, given, strict=False):
        target.weight.copy_(source.weight)
        target.bias.copy_(source.bias)

"""Parameters of many networks as few tensors, and whatever else has their shapes."""

import torch
from torch import Tensor

from worker.mlp.fused.layout import BlockIndex, Layout
from worker.mlp.fused.step_table import StepTable
from worker.mlp.initializers import Layer, Parameters


class StackedNorms:
    """Two numbers for each hidden unit of a group: gain and shift, or running mean and variance, of its normalization.

    They stand as the weight and the bias of layers: [hidden rows, 1] for the first layer of all runs, of which the
    blocks that read the data are views, and [runs, outputs, 1] for each block.
    """

    def __init__(
        self,
        layout: Layout,
        like: Tensor,  # any shape: gives dtype and device
        weight: float,  # what every gain or mean begins with
        bias: float,  # what every shift or variance begins with
    ) -> None:
        self._layout = layout

        def layer(*shape: int) -> Layer:
            return Layer(like.new_full(shape, weight), like.new_full(shape, bias))

        rows_of = dict(layout.first_slices())
        self._first = layer(layout.hidden_rows, 1)  # [hidden rows, 1] each
        self._layers: dict[int, Layer] = {}
        for index, block in enumerate(layout.blocks):
            if block.is_hidden:
                shape = (block.size, block.outputs, 1)
                in_first = index in rows_of
                self._layers[index] = (
                    Layer(*(tensor[rows_of[index]].view(shape) for tensor in self._first))
                    if in_first
                    else layer(*shape)
                )

    def layer(self, block: BlockIndex) -> Layer:  # [runs, outputs, 1] or [hidden rows, 1] each
        """The two numbers of each unit of a hidden block."""
        return self._first if block is None else self._layers[block]

    def of_run(self, position: int) -> Parameters:
        """Views of one run's, [outputs] each, for each of its hidden layers."""
        hidden = [index for index in self._layout.path(position) if index in self._layers]
        local_positions = [position - self._layout.blocks[index].runs.start for index in hidden]
        return [
            Layer(*(tensor[local, :, 0] for tensor in self._layers[index]))
            for index, local in zip(hidden, local_positions, strict=True)
        ]


class StackedParameters:
    """Numbers shaped as the parameters of a group: the parameters themselves, or an optimizer's state of each.

    All begins at zero, but for the gain of the norms.
    """

    def __init__(
        self,
        layout: Layout,
        like: Tensor,  # any shape: gives dtype and device
        gain: float | None = None,  # what every gain begins with; None: no hidden unit is normalized
    ) -> None:
        self.layout = layout
        self.run_of_row = layout.run_of_row().to(like.device)  # [first rows] int64
        rows = layout.first_rows
        # The blocks that read the data are views of the first layer: one product does the work of all of them, and
        # each run is still found by its block.
        self.first = Layer(like.new_zeros(rows, layout.features), like.new_zeros(rows, 1))  # [first rows, features | 1]
        self.norms = None if gain is None else StackedNorms(layout, like, gain, 0)
        rows_of = dict(layout.first_slices())
        self.layers: list[Layer] = []  # by block: weight [runs, outputs, inputs], bias [runs, outputs, 1]
        for index, block in enumerate(layout.blocks):
            weight, bias = (block.size, block.outputs, block.inputs), (block.size, block.outputs, 1)
            if index in rows_of:
                part = rows_of[index]
                self.layers.append(Layer(self.first.weight[part].view(weight), self.first.bias[part].view(bias)))
            else:
                self.layers.append(Layer(like.new_zeros(weight), like.new_zeros(bias)))

    def layer(self, block: BlockIndex) -> Layer:  # weight [runs, outputs, inputs], bias [runs, outputs, 1]
        """A block's weights and biases; those of the first layer are [first rows, features] and [first rows, 1]."""
        return self.first if block is None else self.layers[block]

    def trains_bias(self, block: BlockIndex) -> bool:
        """Whether the bias of a block, or with None of the first layer, is trained: not where a norm's shift is."""
        return self.norms is None or (block is not None and not self.layout.blocks[block].is_hidden)

    def linear_of_run(self, position: int) -> Parameters:
        """Views of one run's linear layers, weight [outputs, inputs] and bias [outputs]."""
        layers = []
        for index in self.layout.path(position):
            local = position - self.layout.blocks[index].runs.start
            weight, bias = self.layers[index]
            layers.append(Layer(weight[local], bias[local, :, 0]))
        return layers

    def of_run(self, position: int) -> Parameters:
        """Views of all that a run has: its linear layers, then gain and shift of its hidden layers."""
        return self.linear_of_run(position) + (self.norms.of_run(position) if self.norms else [])


class RunFactors:
    """One number for each run, shaped to be multiplied with its parameters."""

    def __init__(
        self,
        values: Tensor,  # [runs]
        parameters: StackedParameters,  # whose layout and device they have
    ) -> None:
        self._blocks, self._run_of_row = parameters.layout.blocks, parameters.run_of_row
        self._by_run = values.clone()  # [runs]
        # The rows of the first layer belong to runs of different widths: no view of [runs] has their shape.
        self._by_row = values[self._run_of_row]  # [first rows]

    def of_block(self, block: BlockIndex) -> Tensor:  # [runs, 1, 1] or [first rows, 1]
        """A view of the numbers of a block's runs."""
        return self._by_row.view(-1, 1) if block is None else self._by_run[self._blocks[block].runs].view(-1, 1, 1)


class StepFactors(RunFactors):
    """One number for each run that changes from step to step, in the memory of the views that were given out."""

    def __init__(
        self,
        parameters: StackedParameters,
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        super().__init__(like.new_zeros(parameters.layout.runs), parameters)
        self._table = StepTable(parameters.layout.runs, like)

    def load(
        self,
        values: Tensor,  # [steps, runs]
    ) -> None:
        """Writes the numbers of the steps that follow."""
        self._table.load(values)

    def select(
        self,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        """Goes to the numbers at the cursor."""
        self._by_run.copy_(self._table.select(cursor)[0])
        torch.index_select(self._by_run, 0, self._run_of_row, out=self._by_row)


def copy_layers(
    target: Parameters,  # weight [outputs, inputs] and bias [outputs] each
    source: Parameters,  # the same shapes, on any device; may be fewer layers
) -> None:
    """Copies layers; a network that begins brings linear layers alone, which are the first of the target's."""
    for target_layer, source_layer in zip(target, source, strict=False):
        target_layer.weight.copy_(source_layer.weight)
        target_layer.bias.copy_(source_layer.bias)

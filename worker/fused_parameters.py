"""Parameters of many networks as few tensors, and whatever else has their shapes."""

from torch import Tensor

from worker.fused_layout import Layout
from worker.initializers import Layer, Parameters


class Bank:
    """Numbers shaped as the parameters of a group: the parameters themselves, or what an optimizer keeps of each.

    `first` is the first layer of all runs, weight [first rows, features] and bias [first rows, 1]. `layers` are the
    blocks', weight [n, outputs, inputs] and bias [n, outputs, 1]; those that read the data are views of `first`. All
    begins at zero.
    """

    def __init__(self, layout: Layout, like: Tensor) -> None:
        self.layout = layout
        rows = layout.first_rows
        self.first = Layer(like.new_zeros(rows, layout.features), like.new_zeros(rows, 1))
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

    def of(self, position: int) -> Parameters:
        """Views of one run's layers, weight [outputs, inputs] and bias [outputs]."""
        layers = []
        for index in self.layout.path(position):
            local = position - self.layout.blocks[index].runs.start
            weight, bias = self.layers[index]
            layers.append(Layer(weight[local], bias[local, :, 0]))
        return layers

    def load(self, position: int, given: Parameters) -> None:
        """Copies one run's layers in."""
        for mine, theirs in zip(self.of(position), given, strict=True):
            mine.weight.copy_(theirs.weight)
            mine.bias.copy_(theirs.bias)

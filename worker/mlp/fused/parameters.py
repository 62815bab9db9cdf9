"""Numbers shaped as the parameters of many networks, in one flat memory: the parameters, or an optimizer's state."""

import torch
from torch import Tensor

from worker.mlp.fused.layout import Block, Layout
from worker.mlp.initializers import Layer, Parameters


class FlatParameters:
    """All parameters of a group, one after the other, and views of them; all begins at zero.

    First the weights of the first layer, then those of each block, then gains and shifts of normalized hidden units,
    then the biases, in the order of the rows. Behind them a zero stands, for the outputs that only fill up a product.
    """

    def __init__(
        self,
        layout: Layout,
        like: Tensor,  # any shape: gives dtype and device
        normalizes: bool,  # whether hidden units have gain and shift; their biases are then not trained
    ) -> None:
        self.layout, self.normalizes = layout, normalizes
        first_rows = layout.first_rows.stop - layout.first_rows.start
        hidden_rows = layout.hidden_rows if normalizes else 0
        shapes = [
            (first_rows, layout.features),
            *((len(block.runs), block.outputs, block.inputs) for block in layout.blocks),
            *((hidden_rows, 1), (hidden_rows, 1), (layout.row_count + 1, 1)),
        ]
        sizes = [torch.Size(shape).numel() for shape in shapes]
        self.numbers = like.new_zeros(sum(sizes))  # [numbers]
        views = [part.view(shape) for part, shape in zip(torch.split(self.numbers, sizes), shapes, strict=True)]
        self.first, *self.weights, self.gain, self.shift, self.padded_bias = views
        self.bias = self.padded_bias[: layout.row_count]  # [rows, 1]
        # by block [runs, outputs, 1]; in a packed layout no views have these shapes
        self.biases = [] if layout.packed else [self._bias_of(block) for block in layout.blocks]
        # those of the logits come first; where a hidden unit has a shift, its bias is not trained
        self.trained_biases = layout.logit_rows if normalizes else layout.row_count

    def _bias_of(self, block: Block) -> Tensor:  # [runs, outputs, 1]
        rows = slice(block.output_row, block.output_row + len(block.runs) * block.outputs)
        return self.bias[rows].view(-1, block.outputs, 1)

    def linear_of_run(self, position: int) -> Parameters:
        """Views of one run's linear layers, weight [outputs, inputs] and bias [outputs]."""
        layers = []
        start = self.layout.first_rows.start
        for layer, rows in enumerate(self.layout.rows[position]):
            if layer == 0:
                weight = self.first[rows.start - start : rows.stop - start]  # [outputs, features]
            else:
                block, place = self.layout.place[position, layer]
                inputs = self.layout.rows[position][layer - 1]
                weight = self.weights[block][place, : rows.stop - rows.start, : inputs.stop - inputs.start]
            layers.append(Layer(weight, self.bias[rows, 0]))
        return layers

    def of_run(self, position: int) -> Parameters:
        """Views of all that a run has: its linear layers, then gain and shift of its hidden layers."""
        norms = norms_of_run(self.layout, position, self.gain, self.shift) if self.normalizes else []
        return self.linear_of_run(position) + norms


def norms_of_run(
    layout: Layout,
    position: int,
    weight: Tensor,  # [hidden rows, 1], gain or running mean
    bias: Tensor,  # [hidden rows, 1], shift or running variance
) -> Parameters:
    """Views of one run's numbers of normalized units, [outputs] each, for each of its hidden layers."""
    parts = [layout.hidden(rows) for rows in layout.rows[position][:-1]]
    return [Layer(weight[part, 0], bias[part, 0]) for part in parts]


def copy_layers(
    target: Parameters,  # weight [outputs, inputs] and bias [outputs] each
    source: Parameters,  # the same shapes, on any device; may be fewer layers
) -> None:
    """Copies layers; a network that begins brings linear layers alone, which are the first of the target's."""
    for target_layer, source_layer in zip(target, source, strict=False):
        target_layer.weight.copy_(source_layer.weight)
        target_layer.bias.copy_(source_layer.bias)

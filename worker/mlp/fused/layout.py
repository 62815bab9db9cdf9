"""How many networks of different shapes become few tensors.

Runs are sorted by activation and widths, so that those with the same first layers are neighbours. They form a tree:
a block is one linear layer of all the runs that agree in everything up to it, and its runs are a contiguous part of
its source's. Every input of a block is then a view of its source's output, whatever the mixture of depths and widths.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.activations import ACTIVATIONS, Activation

BlockIndex = int | None  # None: the first layer of all runs


class Block(NamedTuple):
    """One linear layer of the same shape in neighbouring runs."""

    runs: slice  # positions in the group
    source: int | None  # the block whose output it reads; None: it reads the data
    inputs: int  # width of what it reads
    outputs: int  # width of what it gives, for each run
    activation: Activation | None  # None: it gives the logits
    depth: int  # hidden layers before it

    @property
    def reads_data(self) -> bool:
        """Whether it belongs to the first layer."""
        return self.source is None

    @property
    def is_hidden(self) -> bool:
        """Whether its outputs are hidden units, and not logits."""
        return self.activation is not None

    @property
    def size(self) -> int:
        """How many runs it holds."""
        return int(self.runs.stop - self.runs.start)

    @property
    def rows(self) -> int:
        """Outputs of all its runs together."""
        return self.size * self.outputs


def fusion_order(config: MLPConfig) -> tuple[bool, str, tuple[int, ...]]:
    """The sort key that brings together what can be computed together; runs without hidden layers come first."""
    deep = bool(config.hidden_layers)
    # Activations before widths: the first layer of all runs of one activation is then one slice, and one kernel.
    # Without a hidden layer the activation is never computed, and must not tell runs apart.
    return deep, config.activation if deep else "", config.hidden_layers


class Layout(NamedTuple):
    """The blocks of a group of runs."""

    blocks: list[Block]  # sources before what reads them, those that read the data first of all
    features: int  # numbers of an example
    classes: int  # logits of each run
    runs: int  # how many there are

    @classmethod
    def of(
        cls,
        configs: Sequence[MLPConfig],  # one a run, in their `fusion_order`
        features: int,
        classes: int,
    ) -> "Layout":
        """The layout of a group of runs."""
        flat = sum(not config.hidden_layers for config in configs)
        layout = cls([], features, classes, len(configs))
        roots = list(_hidden_blocks(configs, slice(flat, len(configs)), None, features))
        layout.blocks.extend(roots)
        # Last of those that read the data: their logits end the first layer's output, so that the hidden rows before
        # them are one slice, and the workspace can let them overlap with the logits of all runs.
        if flat:
            layout.blocks.append(Block(slice(0, flat), None, features, classes, None, 0))
        for index, root in enumerate(roots):
            layout._add_readers(configs, index, root, 1)
        return layout

    @property
    def flat_runs(self) -> int:
        """Runs without a hidden layer: softmax regressions."""
        return next((b.runs.stop for b in self.blocks if b.reads_data and not b.is_hidden), 0)

    @property
    def hidden_rows(self) -> int:
        """Outputs of the first layer that are not logits."""
        return self.first_rows - self.flat_runs * self.classes

    @property
    def first_rows(self) -> int:
        """Outputs of the first layer, all runs together."""
        return sum(block.rows for block in self.blocks if block.reads_data)

    def first_slices(self) -> Iterator[tuple[int, slice]]:
        """Each block that reads the data, with its rows of the first layer."""
        start = 0
        for index, block in enumerate(self.blocks):
            if block.reads_data:
                yield index, slice(start, start + block.rows)
                start += block.rows

    def run_of_row(self) -> Tensor:  # [first rows] int64, on the CPU
        """The run that each output of the first layer belongs to."""
        owners = [
            torch.arange(block.runs.start, block.runs.stop).repeat_interleave(block.outputs)  # [block.rows]
            for block in self.blocks
            if block.reads_data
        ]
        return torch.cat(owners)

    def max_widths(self) -> list[int]:
        """The largest width of each hidden layer, from the data on."""
        widths: dict[int, int] = {}
        for block in self.blocks:
            if block.is_hidden:
                widths[block.depth] = max(block.outputs, widths.get(block.depth, 0))
        return [widths[depth] for depth in sorted(widths)]

    def path(self, position: int) -> list[int]:
        """The blocks that hold the layers of one run, from the data to the logits."""
        return [index for index, block in enumerate(self.blocks) if block.runs.start <= position < block.runs.stop]

    def _add_readers(self, configs: Sequence[MLPConfig], source: int, block: Block, depth: int) -> None:
        """Adds what reads a hidden block: the logits of the runs that end there, then their neighbours' next layers."""
        # runs that end here stand first: a tuple sorts before every longer one that begins with it
        ends = sum(len(config.hidden_layers) == depth for config in configs[block.runs])
        middle = block.runs.start + ends
        if ends:
            self.blocks.append(Block(slice(block.runs.start, middle), source, block.outputs, self.classes, None, depth))
        deeper_runs = slice(middle, block.runs.stop)
        for child in list(_hidden_blocks(configs, deeper_runs, source, block.outputs, depth)):
            self.blocks.append(child)
            self._add_readers(configs, len(self.blocks) - 1, child, depth + 1)


def _hidden_blocks(
    configs: Sequence[MLPConfig], runs: slice, source: int | None, inputs: int, depth: int = 0
) -> Iterator[Block]:
    """Splits neighbouring runs into blocks that agree in activation and in the width of hidden layer `depth`."""
    start = runs.start
    for (name, width), members in groupby(configs[runs], lambda c: (c.activation, c.hidden_layers[depth])):
        stop = start + len(list(members))
        yield Block(slice(start, stop), source, inputs, width, ACTIVATIONS[name], depth)
        start = stop

"""How many networks of different shapes become few tensors: whose the rows are, and what is one product.

The values of all units stand one below the other, a row a unit: first the logits of all runs, then the hidden units
that read the data (level 0), then those behind them (level 1), and so on; in each of these the runs stand in their
order. The first layer gives the logits of the runs without hidden layers, which are the last of the logits, and level
0: one slice, and one product. Behind it stages follow: a product for each shape, then the next level.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import packed_width
from worker.mlp.activations import ACTIVATIONS, Activation


class Block(NamedTuple):
    """One linear layer behind the first, of the same shape in some runs: one batched product."""

    runs: tuple[int, ...]  # positions in the group
    inputs: int  # numbers that it reads, for each run; in a packed layout a few more than the runs have
    outputs: int  # numbers that it gives, for each run; as above
    input_row: int  # where the first run's inputs begin: among the hidden rows, or in the packed inputs
    output_row: int  # where the first run's outputs begin: among all rows, or in the packed outputs


class Linear(NamedTuple):
    """One linear layer of one run, the first one excepted."""

    run: int  # its position in the group
    layer: int  # how many linear layers are before it
    inputs: slice  # rows that it reads
    outputs: slice  # rows that it gives

    @property
    def shape(self) -> tuple[int, int]:  # inputs, outputs
        return self.inputs.stop - self.inputs.start, self.outputs.stop - self.outputs.start


def fusion_order(config: MLPConfig) -> tuple[bool, str, tuple[int, ...]]:
    """The sort key that brings together what can be computed together; runs without hidden layers come last."""
    flat = not config.hidden_layers
    # Activations before widths: a level of all runs of one activation is then one slice, and one kernel.
    # Without a hidden layer the activation is never computed, and must not tell runs apart.
    return flat, "" if flat else config.activation, config.hidden_layers


class Layout:
    """The rows and products of a group of runs.

    `packed`: layers of similar widths are one product, behind numbers that are gathered and filled up with zeros; many
    shapes are then few kernels. Otherwise every product reads and writes the values where they are.
    """

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run, in their `fusion_order`
        features: int,
        outputs: int,  # of the last layers: one for each class, or one for a number
        packed: bool = False,
    ) -> None:
        self.runs, self.features, self.outputs, self.packed = len(configs), features, outputs, packed
        self._configs = configs
        self.logit_rows = self.runs * outputs
        self.levels: list[slice] = []  # rows of each level
        self.rows: list[list[slice]] = [[] for _ in configs]  # by run: rows of each of its layers, the logits last
        self._lay_rows()
        self.row_count = self.levels[-1].stop if self.levels else self.logit_rows
        self.hidden_rows = self.row_count - self.logit_rows
        flat_runs = sum(not config.hidden_layers for config in configs)
        first_stop = self.levels[0].stop if self.levels else self.logit_rows
        self.first_rows = slice(self.logit_rows - flat_runs * outputs, first_stop)  # what the first layer gives
        # one for each level behind the first, and one for the logits
        stages = self._packed_stages() if packed else (list(self._neighbours(linears)) for linears in self._linears())
        self.stages = list(stages)
        self.place: dict[tuple[int, int], tuple[int, int]] = {  # by run and layer: the block, and where in it
            (run, layer): (index, position)
            for index, (layers, block) in enumerate(self._layers_and_blocks())
            for position, (run, layer) in enumerate(zip(block.runs, layers, strict=True))
        }

    @property
    def blocks(self) -> list[Block]:
        """Those of all stages."""
        return [block for stage in self.stages for block in stage]

    def kernels(self) -> int:
        """About how many kernels of a step grow with the number of shapes: what tells which layout has fewer."""
        gathers = 4 * len(self.stages) + 1 if self.packed else 0
        return 3 * len(self.blocks) + gathers  # forward, the grads of the inputs, the grads of the weights

    def sections(self, level: int) -> Iterator[tuple[Activation, slice]]:
        """The activations of a level, each with its rows."""
        runs = [run for run, config in enumerate(self._configs) if len(config.hidden_layers) > level]
        for name, members in groupby(runs, lambda run: self._configs[run].activation):
            section = [self.rows[run][level] for run in members]
            yield ACTIVATIONS[name], slice(section[0].start, section[-1].stop)

    def run_of_row(self) -> Tensor:  # [rows] int64, on the CPU
        """The run that each row belongs to."""
        owners = torch.empty(self.row_count, dtype=torch.int64)
        for run, slices in enumerate(self.rows):
            for rows in slices:
                owners[rows] = run
        return owners

    def hidden_slices(self) -> list[tuple[int, slice]]:
        """The rows of each hidden layer of each run, with its level, in the order of the rows."""
        depth = range(len(self.levels))
        return [(level, slices[level]) for level in depth for slices in self.rows if len(slices) > level + 1]

    def hidden(self, rows: slice) -> slice:
        """The same rows, counted from the first hidden one."""
        return slice(rows.start - self.logit_rows, rows.stop - self.logit_rows)

    def results(self, stage: int) -> slice:
        """The rows that the products of a stage give."""
        if stage + 1 < len(self.levels):
            return self.levels[stage + 1]
        return slice(0, self.first_rows.start)

    def max_widths(self) -> list[int]:
        """The largest width of each hidden layer, from the data on."""
        depth = range(len(self.levels))
        return [max(c.hidden_layers[d] for c in self._configs if len(c.hidden_layers) > d) for d in depth]

    def _lay_rows(self) -> None:
        stop = self.logit_rows
        for level in range(max(len(config.hidden_layers) for config in self._configs)):
            start = stop
            for run, config in enumerate(self._configs):
                if len(config.hidden_layers) > level:
                    self.rows[run].append(slice(stop, stop + config.hidden_layers[level]))
                    stop += config.hidden_layers[level]
            self.levels.append(slice(start, stop))
        for run, slices in enumerate(self.rows):
            slices.append(slice(run * self.outputs, (run + 1) * self.outputs))

    def _linears(self) -> Iterator[list[Linear]]:
        """The linear layers of each stage, in the order of the runs; the last stage gives the logits of all depths."""
        linears = [
            Linear(run, layer, inputs, outputs)
            for run, slices in enumerate(self.rows)
            for layer, (inputs, outputs) in enumerate(pairwise(slices), start=1)
        ]
        for level in range(1, len(self.levels)):
            yield [linear for linear in linears if linear.layer == level < len(self.rows[linear.run]) - 1]
        if linears:
            yield [linear for linear in linears if linear.layer == len(self.rows[linear.run]) - 1]

    def _layers_and_blocks(self) -> Iterator[tuple[list[int], Block]]:
        """Each block with the layer that it is of each of its runs."""
        for stage, blocks in enumerate(self.stages, start=1):
            for block in blocks:
                last = stage == len(self.stages)
                yield [len(self.rows[run]) - 1 if last else stage for run in block.runs], block

    def _neighbours(self, linears: list[Linear]) -> Iterator[Block]:
        """A block for those of one shape that stand side by side, both where they read and where they write."""
        members: list[Linear] = []
        for linear in [*linears, None]:
            last = members[-1] if members else None
            follows = (
                last is not None
                and linear is not None
                and ((last.run + 1, last.layer, *last.shape) == (linear.run, linear.layer, *linear.shape))
            )
            if members and not follows:
                input_row = members[0].inputs.start - self.logit_rows
                runs = tuple(member.run for member in members)
                yield Block(runs, *members[0].shape, input_row, members[0].outputs.start)
                members = []
            if linear is not None:
                members.append(linear)

    def _packed_stages(self) -> Iterator[list[Block]]:
        """A block for each pair of classes of widths."""
        input_row = output_row = 0
        for linears in self._linears():
            blocks = []
            for (inputs, outputs), members in self._classes(linears).items():
                blocks.append(Block(tuple(members), inputs, outputs, input_row, output_row))
                input_row += len(members) * inputs
                output_row += len(members) * outputs
            yield blocks

    def _classes(self, linears: list[Linear]) -> dict[tuple[int, int], list[int]]:
        """The runs of a stage by the widths that their layers are filled up to; logits are all of one width."""
        members: dict[tuple[int, int], list[int]] = {}
        for linear in linears:
            inputs, outputs = linear.shape
            gives_logits = linear.outputs.stop <= self.logit_rows
            widths = packed_width(inputs), outputs if gives_logits else packed_width(outputs)
            members.setdefault(widths, []).append(linear.run)
        return members

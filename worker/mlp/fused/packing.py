"""Where the numbers of a packed layout come from and go to: rows gathered for products of few shapes.

Padding is nowhere but in the packed inputs and outputs of products, and in their weights. It is zero there: it is
gathered from a row of zeros, both values and grads, so that the grads of the weights that it meets are zero too.
"""

from itertools import pairwise

import torch
from torch import Tensor

from worker.mlp.fused.layout import Layout


class Packing:
    """For each stage the rows that its products read and write, as indices on the device."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        blocks = layout.blocks
        self.input_rows = sum(len(block.runs) * block.inputs for block in blocks)  # of all stages together
        self.output_rows = sum(len(block.runs) * block.outputs for block in blocks)
        first_blocks = [stage[0] for stage in layout.stages]
        self.inputs = _slices([block.input_row for block in first_blocks], self.input_rows)  # by stage
        self.outputs = _slices([block.output_row for block in first_blocks], self.output_rows)  # by stage

        # where nothing is copied to, the row past the last one is read: that of zeros
        from_hidden = torch.full((self.input_rows,), layout.hidden_rows)
        from_rows = torch.full((self.output_rows,), layout.row_count)
        to_hidden = torch.zeros(layout.hidden_rows, dtype=torch.int64)
        to_rows = torch.zeros(layout.row_count, dtype=torch.int64)
        for (run, layer), (index, position) in layout.place.items():
            block, source, target = blocks[index], layout.rows[run][layer - 1], layout.rows[run][layer]
            _match(from_hidden, block.input_row + position * block.inputs, to_hidden, layout.hidden(source))
            _match(from_rows, block.output_row + position * block.outputs, to_rows, target)
        self.from_hidden = from_hidden.to(device)  # [input rows] for each packed input, its hidden row
        self.from_rows = from_rows.to(device)  # [output rows] for each packed output, its row
        self.to_hidden = to_hidden.to(device)  # [hidden rows] for each hidden row, the packed input that reads it
        self.to_rows = to_rows.to(device)  # [rows] for each row behind the first layer, its packed output


def _match(
    sources: Tensor,  # [packed rows] int64, changed in place
    start: int,  # the first packed row
    targets: Tensor,  # [rows] int64, changed in place
    rows: slice,
) -> None:
    """Writes down that rows are packed from `start` on."""
    packed = slice(start, start + rows.stop - rows.start)
    sources[packed] = torch.arange(rows.start, rows.stop)
    targets[rows] = torch.arange(packed.start, packed.stop)


def _slices(starts: list[int], stop: int) -> list[slice]:
    return [slice(start, end) for start, end in pairwise([*starts, stop])]


def gather(
    source: Tensor,  # [rows, batch]
    rows: Tensor,  # [n] int64
    out: Tensor,  # [n, batch]
) -> None:
    """Copies rows."""
    torch.index_select(source, 0, rows, out=out)

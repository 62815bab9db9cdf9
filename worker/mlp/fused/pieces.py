"""In which pieces parameters are changed: those whose gradient is computed and used up at once.

On a CPU a piece is as large as stays in the cache: layers that are larger are cut, and smaller ones are joined. Where
each operation is a launch there are two, the first layer and all the rest, so that an update rule is few kernels
whatever the shapes; so it is for plain SGD, which does not look at a gradient again.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from worker.mlp.fused.parameters import FlatParameters

# Numbers changed at a time on a CPU. Smaller pieces make the products slow (2**14: by a third); larger ones take
# memory, and leave the cache: no loss on a quiet machine, twice the time measured beside workers that share it.
PIECE_NUMBERS = 2**17


class Entry(NamedTuple):
    """Rows of equal lengths that have one gradient."""

    gradient: int  # which one: its place among those of all parameters that are trained
    rows: slice  # of the gradient
    start: int  # of the first row, in the flat memory
    length: int  # numbers of a row
    runs: Tensor  # [rows] int64, on the CPU: whose row it is

    @property
    def span(self) -> slice:
        """Where it is in the flat memory."""
        return slice(self.start, self.start + len(self.runs) * self.length)

    def cut(self, limit: float) -> Iterator["Entry"]:
        """Parts of at most so many numbers, but of a row at least."""
        rows = max(int(min(limit / self.length, len(self.runs))), 1)
        for first in range(0, len(self.runs), rows):
            runs = self.runs[first : first + rows]
            start = self.start + first * self.length
            yield Entry(self.gradient, slice(first, first + len(runs)), start, self.length, runs)


class Piece(NamedTuple):
    """Neighbouring parameters that are changed together."""

    entries: Sequence[Entry]

    @property
    def span(self) -> slice:
        """Where it is in the flat memory."""
        return slice(self.entries[0].span.start, self.entries[-1].span.stop)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(self.span.stop - self.span.start)

    @property
    def shape(self) -> tuple[int, ...]:  # [rows, length], or [numbers] of several entries
        """In which whose numbers they are is told with as few numbers as possible."""
        if len(self.entries) > 1:
            return (self.size,)
        return len(self.entries[0].runs), self.entries[0].length

    @property
    def runs(self) -> Tensor:  # [rows, 1] or [numbers] int64, on the CPU
        """Whose numbers they are: as `shape`, with a 1 in place of the length of rows."""
        if len(self.entries) == 1:
            return self.entries[0].runs.unsqueeze(1)
        return torch.cat([entry.runs.repeat_interleave(entry.length) for entry in self.entries])


def pieces(parameters: FlatParameters, cached: bool) -> list[Piece]:
    """All parameters that are trained; `cached`: in pieces that stay in a CPU's cache."""
    limit = PIECE_NUMBERS if cached else inf
    first, *rest = _entries(parameters)
    pieces: list[Piece] = []
    joined: list[Entry] = []
    for part in (part for entry in rest for part in entry.cut(limit)):
        if joined and Piece([*joined, part]).size > limit:
            pieces.append(Piece(joined))
            joined = []
        joined.append(part)
    # the first layer last: what the others read is still in the cache after a backward pass
    return [*pieces, Piece(joined), *(Piece([part]) for part in first.cut(limit))]


def _entries(parameters: FlatParameters) -> Iterator[Entry]:
    """All parameters that are trained, in their order, which is that of their gradients."""
    layout, run_of_row = parameters.layout, parameters.layout.run_of_row()
    run_of_hidden = run_of_row[layout.logit_rows :]
    entries = [(layout.features, run_of_row[layout.first_rows])]  # length, runs
    entries += [(block.outputs * block.inputs, torch.tensor(block.runs)) for block in layout.blocks]
    if parameters.normalizes and layout.hidden_rows:
        entries.append((1, torch.cat([run_of_hidden, run_of_hidden])))
    entries.append((1, run_of_row[: parameters.trained_biases]))
    start = 0
    for index, (length, runs) in enumerate(entries):
        yield Entry(index, slice(0, len(runs)), start, length, runs)
        start += len(runs) * length

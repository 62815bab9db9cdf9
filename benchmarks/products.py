"""The matrix products of a fused cohort alone: what sgemm reaches on the shapes that the cohort trains."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from itertools import groupby, product
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.memory import EVALUATION_BATCH
from app.domain.runs import Run
from worker.mlp.fused.layout import Layout, fusion_order
from worker.mlp.split import Split

TRIALS = 5  # of each way to store the factors; the quickest is kept


class Shape(NamedTuple):
    """`copies` products [m, k] @ [k, n]."""

    copies: int
    m: int
    k: int
    n: int

    @property
    def flops(self) -> int:
        """Floating-point operations, an addition and a multiplication counted apart."""
        return 2 * self.copies * self.m * self.k * self.n


class Products:
    """The products of a cohort's epoch, each in the way of storing its factors and result that is quickest here.

    torch.bmm for all runs of a block, or torch.mm for each: what is quicker; into memory made beforehand.
    """

    def __init__(self, runs: Sequence[Run], split: Split) -> None:
        examples, held_out = len(split.train_y), len(split.val_y)
        self.phases: list[tuple[int, list[Callable[[], object]]]] = []  # how often, which
        self.flops = self.step_flops = 0
        for layout, batch in _layouts(runs):
            steps = -(-examples // batch)
            evaluations = -(-held_out // EVALUATION_BATCH)
            training = list(_training(layout, batch))
            self.step_flops += sum(shape.flops for shape in training)
            self._add(steps, training, split.train_x.device)
            self._add(evaluations, list(_forward(layout, min(EVALUATION_BATCH, held_out))), split.train_x.device)

    def _add(self, times: int, shapes: list[Shape], device: torch.device) -> None:
        self.phases.append((times, [_quickest(shape, device) for shape in shapes]))
        self.flops += times * sum(shape.flops for shape in shapes)

    def epoch(self) -> dict[Hashable, float]:
        for times, products in self.phases:
            for _ in range(times):
                for multiply in products:
                    multiply()
        return {}


def _layouts(runs: Sequence[Run]) -> Iterator[tuple[Layout, int]]:
    """The layout and batch size of each group of runs that the training fuses."""

    def group(run: Run) -> tuple[int, int, str]:
        return run.seed, run.config.batch_size, run.config.update_rule

    for (_, batch, _), same in groupby(sorted(runs, key=group), key=group):
        configs = sorted((run.config for run in same), key=fusion_order)
        yield Layout(configs, 784, 10), batch


def _forward(layout: Layout, batch: int) -> Iterator[Shape]:
    yield Shape(1, _first_rows(layout), layout.features, batch)
    for block in layout.blocks:
        yield Shape(len(block.runs), block.outputs, block.inputs, batch)


def _training(layout: Layout, batch: int) -> Iterator[Shape]:
    """Forward, then the gradients of each layer's inputs, but the data, and of its weights."""
    yield from _forward(layout, batch)
    for block in layout.blocks:
        yield Shape(len(block.runs), block.inputs, block.outputs, batch)
        yield Shape(len(block.runs), block.outputs, batch, block.inputs)
    yield Shape(1, _first_rows(layout), batch, layout.features)


def _first_rows(layout: Layout) -> int:
    return int(layout.first_rows.stop - layout.first_rows.start)


def _quickest(shape: Shape, device: torch.device) -> Callable[[], object]:
    return min(_ways(shape, device), key=lambda multiply: _seconds(multiply, device))


def _ways(shape: Shape, device: torch.device) -> Iterator[Callable[[], object]]:
    """Row-major or column-major, each of the two factors and the result; as one call or one for each product."""
    copies, m, k, n = shape
    for flip_a, flip_b, flip_out in product((False, True), repeat=3):
        sizes = ((m, k, flip_a), (k, n, flip_b), (m, n, flip_out))
        a, b, out = (_random_matrices(copies, *size, device) for size in sizes)
        yield partial(torch.bmm, a, b, out=out)
        yield partial(_one_by_one, list(zip(a.unbind(), b.unbind(), out.unbind(), strict=True)))


def _random_matrices(copies: int, rows: int, columns: int, column_major: bool, device: torch.device) -> Tensor:
    if column_major:
        return torch.rand(copies, columns, rows, device=device).mT
    return torch.rand(copies, rows, columns, device=device)


def _one_by_one(products: list[tuple[Tensor, Tensor, Tensor]]) -> None:
    for a, b, out in products:
        torch.mm(a, b, out=out)


def _seconds(multiply: Callable[[], object], device: torch.device) -> float:
    multiply()
    best = float("inf")
    for _ in range(TRIALS):
        wait(device)
        start = perf_counter()
        multiply()
        wait(device)
        best = min(best, perf_counter() - start)
    return best


def square_flops(flops: int, device: torch.device, limit: int = 16_384) -> float:
    """Operations a second of one product of two square matrices that has about so many operations.

    The quickest way to store the factors is taken; no side is longer than `limit`.
    """
    side = min(max(round((flops / 2) ** (1 / 3) / 64), 1) * 64, limit)
    shape = Shape(1, side, side, side)
    return shape.flops / min(_seconds(multiply, device) for multiply in _ways(shape, device))


def wait(device: torch.device) -> None:
    """Returns when the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""The training steps of an epoch: what changes between them waits on the device, and a cursor moves over it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.memory import STEPS_AHEAD
from worker.device.cuda_graph import Step
from worker.device.products import exact_if_few
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_table import StepTable
from worker.mlp.fused.workspace import Workspace
from worker.mlp.scores import RunningSums, Score

Preparation = Callable[[int], None]  # of the step of this number, from 0: lays out what it needs, and many after it


@dataclass(frozen=True)
class TrainingStep:
    """One step on a mini-batch of the workspace's size: the same operations on the same memory in every call."""

    model: FusedMLP
    x: Tensor  # [n, features], all examples
    y: Tensor  # [n] int64, or numbers
    sums: RunningSums  # of the epoch
    examples: StepTable  # [1, batch] int64: which examples a step takes; a smaller batch takes the first of them
    space: Workspace

    def __call__(self) -> None:
        indices = self.examples.select(self.model.cursor)[0, : self.space.batch]  # [batch] int64
        torch.index_select(self.x, 0, indices, out=self.space.x)  # [batch, features]
        torch.index_select(self.y, 0, indices, out=self.space.y)  # [batch]
        with exact_if_few(self.space.batch):
            self.model.step(self.space, self.sums)


class EpochSteps:
    """The steps of a fused network over all examples in mini-batches, the last of which may be smaller."""

    def __init__(
        self,
        model: FusedMLP,
        x: Tensor,  # [n, features]
        y: Tensor,  # [n] int64, or numbers
        batch: int,  # examples a step; all of them where there are fewer
    ) -> None:
        self._model, self._y, self._batch = model, y, min(batch, len(y))
        count = -(-len(y) // self._batch)  # steps of an epoch
        self._examples = StepTable(self._batch, y.new_empty(0, dtype=torch.int64), min(count, STEPS_AHEAD))
        self._sums = model.sums()

        def step(size: int) -> Step:
            return TrainingStep(model, x, y, self._sums, self._examples, model.workspace(size))

        last_size = len(y) - (count - 1) * self._batch
        whole = step(self._batch)
        self.steps = [whole] * (count - 1) + [whole if last_size == self._batch else step(last_size)]  # in their order

    def begin(
        self,
        order: Tensor,  # [n] int64, the examples in the order of this epoch
        rates: Tensor,  # [steps, runs] float64
        seed: int,  # of the runs
        epoch: int,  # from 1
    ) -> Preparation:
        """Begins an epoch. What it gives is to be called before each step."""
        padding = len(self.steps) * self._batch - len(order)  # to whole rows; the smaller last batch leaves it unread
        rows = functional.pad(order, (0, padding)).view(len(self.steps), self._batch)  # [steps, batch]
        self._sums.zero_()

        def prepare(number: int) -> None:
            if number % STEPS_AHEAD == 0:
                part = slice(number, number + STEPS_AHEAD)
                self._examples.load(rows[part])
                self._model.load_steps(rates[part], seed, epoch, number)

        return prepare

    def scores(self) -> list[Score]:  # by run, over the mini-batches as they were before their steps
        """The scores of an epoch, all of whose steps were taken; here the host waits for the device."""
        return self._sums.means(self._y)

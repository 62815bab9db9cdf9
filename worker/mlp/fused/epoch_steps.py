"""The training steps of an epoch: what changes between them waits on the device, and a cursor moves over it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.memory import STEPS_AHEAD
from worker.device.cuda_graph import Recorder, ReplayedStep, Step
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_table import StepTable
from worker.mlp.fused.workspace import Workspace
from worker.mlp.scores import RunningSums, Score


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
        self.model.step(self.space, self.sums)


class EpochSteps:
    """The steps of a fused network over all examples in mini-batches, the last of which may be smaller.

    With a recorder they are captured and replayed.
    """

    def __init__(
        self,
        model: FusedMLP,
        x: Tensor,  # [n, features]
        y: Tensor,  # [n] int64, or numbers
        batch: int,  # examples a step; all of them where there are fewer
        recorder: Recorder | None = None,  # None: each operation is called by itself
    ) -> None:
        self._model, self._y, self._batch = model, y, min(batch, len(y))
        self.count = -(-len(y) // self._batch)  # steps of an epoch
        self._examples = StepTable(self._batch, y.new_empty(0, dtype=torch.int64), min(self.count, STEPS_AHEAD))
        self._sums = model.sums()

        def step(size: int) -> Step:
            plain = TrainingStep(model, x, y, self._sums, self._examples, model.workspace(size))
            return ReplayedStep(plain, recorder) if recorder else plain

        last_size = len(y) - (self.count - 1) * self._batch
        whole = step(self._batch)
        self._steps = [whole] * (self.count - 1) + [whole if last_size == self._batch else step(last_size)]

    def take_all(
        self,
        order: Tensor,  # [n] int64, the examples in the order of this epoch
        rates: Tensor,  # [steps, runs] float64
        seed: int,  # of the runs
        epoch: int,  # from 1
    ) -> list[Score]:  # by run, over the mini-batches as they were before their steps
        """Takes every step of an epoch."""
        padding = self.count * self._batch - len(order)  # to whole rows; the smaller last batch leaves it unread
        rows = functional.pad(order, (0, padding)).view(self.count, self._batch)  # [steps, batch]
        self._sums.zero_()
        for first in range(0, self.count, STEPS_AHEAD):
            part = slice(first, first + STEPS_AHEAD)
            self._examples.load(rows[part])
            self._model.load_steps(rates[part], seed, epoch, first)
            for step in self._steps[part]:
                step()
        return self._sums.means(self._y)

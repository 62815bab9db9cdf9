"""The training steps of an epoch: what changes from one to the next waits on the device, and a cursor moves over it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.memory import STEPS_AHEAD
from worker.device.cuda_graph import Recorder, Replayed, Step
from worker.mlp.fused.network import FusedMLP, Tally
from worker.mlp.fused.step_table import Planned
from worker.mlp.fused.workspace import Workspace


@dataclass(frozen=True)
class TrainingStep:
    """One step on a mini-batch of the workspace's size: the same operations on the same memory in every call."""

    model: FusedMLP
    x: Tensor
    y: Tensor
    tally: Tally
    picked: Planned  # the examples of each step
    space: Workspace

    def __call__(self) -> None:
        picked = self.picked.take(self.model.cursor)[0, : self.space.batch]
        torch.index_select(self.x, 0, picked, out=self.space.data)
        torch.index_select(self.y, 0, picked, out=self.space.targets)
        self.model.step(self.space, self.space.data, self.space.targets, self.tally)


class Steps:
    """The steps of a fused network on x [n, features] and y [n] in mini-batches, the last of which may be smaller.

    With a recorder they are captured and replayed.
    """

    def __init__(self, model: FusedMLP, x: Tensor, y: Tensor, batch: int, recorder: Recorder | None = None) -> None:
        self._model, self._batch = model, min(batch, len(y))
        self.count = -(-len(y) // self._batch)
        self._picked = Planned(self._batch, y, min(self.count, STEPS_AHEAD))
        self._tally = Tally.zero(model.layout.runs, x)

        def step(size: int) -> Step:
            plain = TrainingStep(model, x, y, self._tally, self._picked, model.workspace(size))
            return Replayed(plain, recorder) if recorder else plain

        last = len(y) - (self.count - 1) * self._batch
        whole = step(self._batch)
        self._steps = [whole] * (self.count - 1) + [whole if last == self._batch else step(last)]

    def epoch(self, order: Tensor, rates: Tensor, seed: int, epoch: int) -> list[tuple[float, float]]:
        """Takes every step in the order [n] of the examples, at rates [steps, runs]; mean loss and accuracy by run."""
        rows = functional.pad(order, (0, self.count * self._batch - len(order))).view(self.count, self._batch)
        self._tally.clear()
        for first in range(0, self.count, STEPS_AHEAD):
            part = slice(first, first + STEPS_AHEAD)
            self._picked.plan(rows[part])
            self._model.plan(rates[part], seed, epoch, first)
            for step in self._steps[part]:
                step()
        return self._tally.means(len(order))

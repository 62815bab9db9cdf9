"""The training steps of an epoch: what changes from one to the next waits on the device, and a cursor moves over it."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from worker.cuda_graph import Recorder, Replayed, Step
from worker.fused_mlp import FusedMLP, Tally
from worker.fused_workspace import Workspace
from worker.planned import STEPS_AHEAD, Planned


class Steps:
    """The steps of a fused network on x [n, features] and y [n] in mini-batches, the last of which may be smaller.

    A step is one function of no arguments that reads and writes the same memory whichever step it is; with a recorder
    it is captured and replayed.
    """

    def __init__(self, model: FusedMLP, x: Tensor, y: Tensor, batch: int, recorder: Recorder | None = None) -> None:
        self._model, self._x, self._y = model, x, y
        self._batch = min(batch, len(y))
        self.count = -(-len(y) // self._batch)
        self._picked = Planned(self._batch, y, min(self.count, STEPS_AHEAD))
        self._tally = Tally.zero(model.layout.runs, x)
        last = len(y) - (self.count - 1) * self._batch
        whole = self._step(self._batch, recorder)
        self._steps = [whole] * (self.count - 1) + [whole if last == self._batch else self._step(last, recorder)]

    def _step(self, batch: int, recorder: Recorder | None) -> Step:
        step = partial(self._take, self._model.workspace(batch))
        return Replayed(step, recorder) if recorder else step

    def _take(self, space: Workspace) -> None:
        """One step, on the device alone."""
        picked = self._picked.take(self._model.cursor)[0, : space.batch]
        torch.index_select(self._x, 0, picked, out=space.data)
        torch.index_select(self._y, 0, picked, out=space.targets)
        self._model.step(space, space.data, space.targets, self._tally)

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

"""The epoch loop for one network at a time, as a book writes it: what the fused one is proven and timed against."""

import math
from collections.abc import Iterator
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from worker.initializers import Parameters
from worker.run import EpochResult, Run
from worker.seeds import epoch_order
from worker.training import Score, Split


class PlainMLP(Protocol):
    """A network that trains alone, by automatic differentiation."""

    def logits(self, x: Tensor) -> Tensor:
        """[batch, classes] for x [batch, features]."""
        ...

    def descend(self, loss: Tensor) -> None:
        """One step of gradient descent down a loss, a scalar."""
        ...

    def parameters(self) -> Parameters:
        """Copies of its layers."""
        ...


def step(model: PlainMLP, x: Tensor, y: Tensor) -> Score:
    """One step on x [batch, features] and y [batch]; the batch's mean loss and accuracy before it."""
    logits = model.logits(x)
    loss = functional.cross_entropy(logits, y)
    model.descend(loss)
    return Score(loss.item(), (logits.argmax(1) == y).double().mean().item())


def train_alone(model: PlainMLP, run: Run, split: Split) -> Iterator[EpochResult]:
    """Trains one network on the mini-batches that a fused run with this seed sees; ends early when it diverges."""
    for epoch in range(1, run.config.epochs + 1):
        start = perf_counter()
        order = epoch_order(run.seed, epoch, len(split.train_y)).to(split.train_x.device)
        scores = [
            (len(picked), step(model, split.train_x[picked], split.train_y[picked]))
            for picked in torch.split(order, run.config.batch_size)
        ]
        loss, accuracy = (sum(n * score[i] for n, score in scores) / len(order) for i in (0, 1))
        val = _validate(model, split)
        diverged = not math.isfinite(loss + val.loss)
        yield EpochResult(run.key, epoch, loss, accuracy, *val, perf_counter() - start, diverged)
        if diverged:
            return


@torch.no_grad()
def _validate(model: PlainMLP, split: Split) -> Score:
    logits = model.logits(split.val_x)
    accuracy = (logits.argmax(1) == split.val_y).double().mean()
    return Score(functional.cross_entropy(logits, split.val_y).item(), accuracy.item())

"""The epoch loop for one network at a time, as a book writes it: what the fused one is proven and timed against."""

import math
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from worker.mlp import dropout
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.initializers import Parameters
from worker.mlp.schedules import learning_rates
from worker.mlp.seeds import epoch_order
from worker.mlp.training import Score, Split


class PlainMLP(Protocol):
    """A network that trains alone, by automatic differentiation."""

    config: MLPConfig

    def logits(self, x: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """[batch, classes] for x [batch, features].

        With noise, one [batch, units] for each hidden layer where there is dropout, as in training; without as in
        validation.
        """
        ...

    def descend(self, loss: Tensor, learning_rate: float) -> None:
        """One step of its optimizer down a loss, a scalar."""
        ...

    def parameters(self) -> Parameters:
        """Copies of its layers."""
        ...


def step(
    model: PlainMLP, x: Tensor, y: Tensor, learning_rate: float | None = None, noise: Sequence[Tensor] = ()
) -> Score:
    """One step on x [batch, features] and y [batch]; the batch's mean loss and accuracy before it.

    Without a learning rate it takes the configuration's.
    """
    logits = model.logits(x, noise)
    loss = functional.cross_entropy(logits, y, label_smoothing=model.config.label_smoothing)
    model.descend(loss, model.config.learning_rate if learning_rate is None else learning_rate)
    return Score(loss.item(), (logits.argmax(1) == y).double().mean().item())


def noise_of(run: Run, epoch: int, step: int, batch: Tensor) -> list[Tensor]:
    """The noise [batch, units] of each hidden layer that a fused run with this seed sees; none without dropout."""
    if run.config.dropout == 0:
        return []
    widths = run.config.hidden_layers
    keys = dropout.keys(run.seed, epoch, [step], len(widths))[0].to(batch.device)
    return [dropout.draw(width, len(batch), key).T for width, key in zip(widths, keys, strict=True)]


def train_alone(model: PlainMLP, run: Run, split: Split) -> Iterator[EpochResult]:
    """Trains one network on the mini-batches that a fused run with this seed sees; ends early as a fused run does."""
    stopping = EarlyStopping(run.config)
    for epoch in range(1, run.config.epochs + 1):
        start = perf_counter()
        loss, accuracy = _train_epoch(model, run, split, epoch)
        val = _validate(model, split)
        diverged, stopped = not math.isfinite(loss + val.loss), stopping.stops(val.loss)
        yield EpochResult(run.key, epoch, loss, accuracy, *val, perf_counter() - start, diverged, stopped)
        if diverged or stopped:
            return


def _train_epoch(model: PlainMLP, run: Run, split: Split, epoch: int) -> Score:
    order = epoch_order(run.seed, epoch, len(split.train_y)).to(split.train_x.device)
    batches = torch.split(order, run.config.batch_size)
    rates = learning_rates([run.config], epoch, len(batches))[:, 0].tolist()
    scores = [
        (len(picked), step(model, split.train_x[picked], split.train_y[picked], rate, noise_of(run, epoch, k, picked)))
        for k, (picked, rate) in enumerate(zip(batches, rates, strict=True))
    ]
    loss, accuracy = (sum(n * score[i] for n, score in scores) / len(order) for i in (0, 1))
    return Score(loss, accuracy)


@torch.no_grad()
def _validate(model: PlainMLP, split: Split) -> Score:
    logits = model.logits(split.val_x)
    accuracy = (logits.argmax(1) == split.val_y).double().mean()
    return Score(functional.cross_entropy(logits, split.val_y).item(), accuracy.item())

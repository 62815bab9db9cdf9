"""The epoch loop for one network at a time, as a book writes it: what the fused one is proven and timed against."""

import math
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from worker.mlp import dropout
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.schedules import learning_rates
from worker.mlp.scores import Score
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split


class PlainMLP(Protocol):
    """A network that trains alone, by automatic differentiation."""

    config: MLPConfig

    def logits(
        self,
        x: Tensor,  # [batch, features]
        noise: Sequence[Tensor] | None = None,  # [batch, units] int32 a hidden layer; none of them without dropout
    ) -> Tensor:  # [batch, classes]
        """The network's scores of each class; with noise as in training, with None as in validation."""
        ...

    def descend(
        self,
        loss: Tensor,  # () nats, the mean over a mini-batch
        learning_rate: float,
    ) -> None:
        """One step of its optimizer down a loss."""
        ...

    def parameters(self) -> Parameters:
        """Copies of its layers, weight [outputs, inputs] and bias [outputs]."""
        ...


def step(
    model: PlainMLP,
    x: Tensor,  # [batch, features]
    y: Tensor,  # [batch] int64
    learning_rate: float | None = None,  # None: the configuration's
    noise: Sequence[Tensor] = (),  # [batch, units] int32 a hidden layer
) -> Score:
    """One step on a mini-batch; gives back the batch's mean loss and accuracy before it."""
    logits = model.logits(x, noise)  # [batch, classes]
    loss = functional.cross_entropy(logits, y, label_smoothing=model.config.label_smoothing)
    model.descend(loss, model.config.learning_rate if learning_rate is None else learning_rate)
    return Score(loss.item(), (logits.argmax(1) == y).double().mean().item())


def batch_noise(
    run: Run,
    epoch: int,  # from 1
    step: int,  # of the epoch, from 0
    indices: Tensor,  # [batch], whose length and device the noise has
) -> list[Tensor]:  # [batch, units] int32 a hidden layer; empty without dropout
    """The noise that a fused run with this seed sees in a step."""
    if run.config.dropout == 0:
        return []
    widths = run.config.hidden_layers
    keys = dropout.keys(run.seed, epoch, [step], len(widths))[0].to(indices.device)  # [hidden layers, 2]
    return [dropout.draw(width, len(indices), key).T for width, key in zip(widths, keys, strict=True)]


def train_alone(
    make_model: Callable[[MLPConfig, Parameters], PlainMLP],
    run: Run,
    split: Split,
    dtype: torch.dtype = torch.float32,
) -> Iterator[EpochResult]:
    """Trains one network on the mini-batches that a fused run with this seed sees; ends early as a fused run does."""
    split = split.with_dtype(dtype)
    initial = initial_parameters(run, split.train_x.shape[1], split.classes, dtype)
    model = make_model(run.config, [layer.to(split.train_x.device) for layer in initial])
    early_stopping = EarlyStopping()
    for epoch in range(1, run.config.epochs + 1):
        start = perf_counter()
        loss, accuracy = _train_epoch(model, run, split, epoch)
        val = _validate(model, split)
        early_stopping = early_stopping.after(val.loss)
        diverged, stopped = not math.isfinite(loss + val.loss), early_stopping.is_over(run.config.patience)
        yield EpochResult(run.key, epoch, loss, accuracy, *val, perf_counter() - start, diverged, stopped)
        if diverged or stopped:
            return


def _train_epoch(model: PlainMLP, run: Run, split: Split, epoch: int) -> Score:
    order = epoch_order(run.seed, epoch, len(split.train_y)).to(split.train_x.device)  # [n] int64
    batches = torch.split(order, run.config.batch_size)  # [batch] int64 each
    rates = learning_rates([run.config], epoch, len(batches))[:, 0].tolist()
    scores = []
    for k, (indices, rate) in enumerate(zip(batches, rates, strict=True)):
        x, y = split.train_x[indices], split.train_y[indices]  # [batch, features] and [batch]
        scores.append((len(indices), step(model, x, y, rate, batch_noise(run, epoch, k, indices))))
    # weighted: the last batch may be smaller
    loss, accuracy = (sum(n * score[i] for n, score in scores) / len(order) for i in (0, 1))
    return Score(loss, accuracy)


@torch.no_grad()
def _validate(model: PlainMLP, split: Split) -> Score:
    logits = model.logits(split.val_x)  # [n, classes]
    accuracy = (logits.argmax(1) == split.val_y).double().mean()
    return Score(functional.cross_entropy(logits, split.val_y).item(), accuracy.item())

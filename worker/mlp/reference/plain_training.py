"""The epoch loop for one network at a time, as a book writes it: what the fused one is proven and timed against."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from worker.mlp import dropout
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.losses import mean_loss
from worker.mlp.schedules import learning_rates
from worker.mlp.scores import Score, epoch_result, variance_of
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
    y: Tensor,  # [batch] int64, or numbers
    learning_rate: float | None = None,  # None: the configuration's
    noise: Sequence[Tensor] = (),  # [batch, units] int32 a hidden layer
) -> Score:
    """One step on a mini-batch; gives back the batch's score before it."""
    logits = model.logits(x, noise)  # [batch, classes], or [batch, 1] of numbers
    loss = mean_loss(logits, y, model.config.label_smoothing)
    model.descend(loss, model.config.learning_rate if learning_rate is None else learning_rate)
    return score_of(logits, y)._replace(loss=loss.item())


def score_of(
    logits: Tensor,  # [n, classes], or [n, 1] of numbers
    y: Tensor,  # [n] int64, or numbers
) -> Score:
    """How well a network does by what it gives."""
    loss = mean_loss(logits, y).item()
    if not y.is_floating_point():
        return Score(loss, (logits.argmax(1) == y).double().mean().item())
    return Score.of_numbers(loss, (logits.squeeze(1) - y).abs().mean().item(), variance_of(y))


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
    initial = initial_parameters(run, *split.shape, dtype)
    model = make_model(run.config, [layer.to(split.train_x.device) for layer in initial])
    early_stopping = EarlyStopping()
    for epoch in range(1, run.config.epochs + 1):
        start = perf_counter()
        train, val = _train_epoch(model, run, split, epoch), _validate(model, split)
        early_stopping = early_stopping.after(val.loss)
        result = epoch_result(run.key, epoch, train, val, perf_counter() - start, split.target_std)
        result = replace(result, stopped=early_stopping.is_over(run.config.patience))
        yield result
        if result.diverged or result.stopped:
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
    loss = sum(n * score.loss for n, score in scores) / len(order)
    if split.target == "class":
        return Score(loss, sum(n * (score.accuracy or 0) for n, score in scores) / len(order))
    absolute_error = sum(n * (score.mae or 0) for n, score in scores) / len(order)
    return Score.of_numbers(loss, absolute_error, variance_of(split.train_y))


@torch.no_grad()
def _validate(model: PlainMLP, split: Split) -> Score:
    return score_of(model.logits(split.val_x), split.val_y)

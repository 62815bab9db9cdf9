"""The ways to train the same runs that are timed against each other.

An arm is made of runs and a data set, and each call of `epoch` trains every run for one more epoch and validates it.
All begin with the same weights, and all but the loader, which shuffles by itself, see the same mini-batches, so that
they can be checked against each other; units that are dropped are each arm's own.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from app.domain.runs import Run
from worker.mlp.fused.layout import fusion_order
from worker.mlp.initializers import initial_parameters
from worker.mlp.reference.concise import ACTIVATIONS
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split
from worker.mlp.training import train

MEAN, STD = 0.2860, 0.3530  # of Fashion-MNIST's pixels


class Arm(Protocol):
    """Runs in training."""

    def epoch(self) -> dict[Hashable, float]:
        """Trains every run for one epoch; the validation loss of each, in nats."""
        ...


class Fused:
    """Perceptune's own: all runs as one cohort, or in cohorts of so many, one after the other."""

    def __init__(self, runs: Sequence[Run], split: Split, cohort: int | None = None) -> None:
        self._count = len(runs)
        ordered = sorted(runs, key=lambda run: fusion_order(run.config))
        starts = range(0, len(runs), cohort or len(runs))
        self._trainings = [train(ordered[i : i + (cohort or len(runs))], split) for i in starts]

    def epoch(self) -> dict[Hashable, float]:
        results = [result for training in self._trainings for result in next(training)]
        if len(results) < self._count:
            raise ValueError("a run diverged: the others would be timed alone")
        return {result.key: result.val_loss for result in results}


class Eager:
    """The best plain loop: tensors in memory, nn.Sequential, autograd, torch.optim, one run after the other."""

    def __init__(self, runs: Sequence[Run], split: Split) -> None:
        self._split = split
        self._models = [Model.of(run, split) for run in runs]
        self._epoch = 0

    def epoch(self) -> dict[Hashable, float]:
        self._epoch += 1
        return {model.run.key: self._epoch_of(model) for model in self._models}

    def _epoch_of(self, model: "Model") -> float:
        train_epoch(model, self._split, self._epoch)
        return validation(model, self._split).loss


_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


class Model(NamedTuple):
    """One network with what trains it, from the framework's own parts."""

    run: Run
    net: nn.Sequential
    optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, run: Run, split: Split, fused: bool | None = True) -> "Model":
        """The network of a run on the split's device, with the initial weights that it has in a cohort.

        With `fused` torch.optim takes one kernel for all parameters: on CPUs too the quickest of its three ways.
        """
        features = split.train_x[0].numel()
        linears = []
        for layer in initial_parameters(run, features, split.classes):
            linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
            linear.load_state_dict(layer._asdict())
            linears.append(linear)
        config = run.config
        behind: list[Callable[[], nn.Module]] = [
            ACTIVATIONS[config.activation],
            *([partial(nn.Dropout, config.dropout)] if config.dropout else []),
        ]
        hidden = chain.from_iterable((linear, *(make() for make in behind)) for linear in linears[:-1])
        net = nn.Sequential(*hidden, linears[-1]).to(split.train_x.device)
        rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
        return cls(run, net, _OPTIMIZERS[config.optimizer](net.parameters(), **rates, fused=fused))


def zero_tallies(split: Split) -> tuple[Tensor, Tensor]:
    """Training loss and correct answers so far, summed on the device: reading them each step would make it wait."""
    return split.train_x.new_zeros(()), split.train_y.new_zeros(())


def train_epoch(model: Model, split: Split, epoch: int) -> None:
    """The plain loop over the mini-batches of an epoch, counted from 1."""
    loss_sum, hits = zero_tallies(split)
    order = epoch_order(model.run.seed, epoch, len(split.train_y)).to(split.train_x.device)
    for picked in torch.split(order, model.run.config.batch_size):
        x, y = split.train_x[picked], split.train_y[picked]
        logits = model.net(x)
        loss = functional.cross_entropy(logits, y)
        model.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        model.optimizer.step()
        loss_sum += loss.detach() * len(y)
        hits += (logits.detach().argmax(1) == y).sum()


class Validation(NamedTuple):
    """How good a network is on the validation examples."""

    loss: float  # mean cross-entropy, nats
    error: float  # share of the examples that it has wrong


@torch.no_grad()
def validation(model: Model, split: Split) -> Validation:
    """Loss and error, which all arms compute together."""
    model.net.eval()
    logits = model.net(split.val_x)
    hits = int((logits.argmax(1) == split.val_y).sum().item())
    model.net.train()
    return Validation(functional.cross_entropy(logits, split.val_y).item(), 1 - hits / len(split.val_y))


class Images(Dataset[tuple[Tensor, int]]):
    """Images [n, 28, 28] uint8 and labels [n], each image transformed when it is asked for."""

    def __init__(self, x: NDArray[np.uint8], y: NDArray[np.int64]) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self._x[index]).to(torch.float32).div_(255)
        return image.sub_(MEAN).div_(STD), int(self._y[index])

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> "Images":
        """The bytes that features [n, 784] in [0, 1] came from."""
        return cls(x.mul(255).round().to(torch.uint8).view(-1, 28, 28).cpu().numpy(), y.cpu().numpy())


class Loader:
    """A DataLoader with a transform of each image, nn.Sequential, torch.optim, metrics each step.

    The loader works in the process that trains. With one such process a core, loader processes would have none left.
    """

    images: type[Images] = Images

    def __init__(self, runs: Sequence[Run], split: Split) -> None:
        self._models = [Model.of(run, split, fused=None) for run in runs]  # torch's own choice, as the book has it
        self._device = split.train_x.device
        self._train = self.images.of(split.train_x, split.train_y)
        self._val = self.images.of(split.val_x, split.val_y)

    def epoch(self) -> dict[Hashable, float]:
        return {model.run.key: self._epoch(model) for model in self._models}

    def _epoch(self, model: Model) -> float:
        size = model.run.config.batch_size
        for images, labels in DataLoader(self._train, size, shuffle=True):
            x, y = images.to(self._device), labels.to(self._device)
            logits = model.net(x.flatten(1))
            loss = functional.cross_entropy(logits, y)
            model.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            model.optimizer.step()
            loss.item(), (logits.argmax(1) == y).float().mean().item()
        model.net.eval()  # nothing is dropped
        with torch.no_grad():
            losses = [
                functional.cross_entropy(model.net(x.to(self._device).flatten(1)), y.to(self._device), reduction="sum")
                for x, y in DataLoader(self._val, size)
            ]
        model.net.train()
        return float(sum(losses)) / len(self._val)

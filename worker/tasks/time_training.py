"""The task `time_training`: times epochs of one network, or of several that train as one, by implementation.

All implementations train the same networks on the same mini-batches: equal parameters at the start, one order of the
examples for each epoch, rows chosen by index from a tensor that lies on the device. In the time are the order, the
choice of each mini-batch, forward, the mean loss, backward and the update; out of it are the data's way to the
device, the making of the network, compiling, and validation.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Protocol

import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from app.domain.tasks.time_training import config_of, networks_of
from app.errors import in_short
from worker.device.devices import synchronize
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.losses import mean_loss
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.reference.plain_training import PlainMLP
from worker.mlp.reference.scratch import MLPScratch
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split
from worker.mlp.training import Training
from worker.tasks.subject import NotAvailableError, Subject, Timer

MAX_REASON_LENGTH = 300  # characters of a compiler's complaint


class Network(Protocol):
    """One network, or several, that train epoch by epoch."""

    def train_epoch(self, epoch: int) -> None:
        """Trains on all examples; `epoch`, from 1, decides their order."""
        ...

    def parameters(self) -> Parameters:
        """Copies of the layers of the first one, weight [outputs, inputs] and bias [outputs]."""
        ...


class MLPCompiled(MLPConcise):
    """The concise network, compiled."""

    def __init__(self, config: MLPConfig, parameters: Parameters) -> None:
        super().__init__(config, parameters)
        self._net = torch.compile(self._net)  # type: ignore[assignment]


_MODELS: dict[str, type[MLPScratch] | type[MLPConcise]] = {
    "scratch": MLPScratch,
    "concise": MLPConcise,
    "compiled": MLPCompiled,
}


class PlainNetwork:
    """One network by automatic differentiation."""

    def __init__(self, model: PlainMLP, split: Split, seed: int) -> None:
        self._model, self._split, self._seed = model, split, seed

    def train_epoch(self, epoch: int) -> None:
        x, y, config = self._split.train_x, self._split.train_y, self._model.config
        order = epoch_order(self._seed, epoch, len(y)).to(x.device)  # [n] int64
        for indices in torch.split(order, config.batch_size):
            logits = self._model.logits(x[indices], ())  # [batch, classes]
            self._model.descend(mean_loss(logits, y[indices]), config.learning_rate)

    def parameters(self) -> Parameters:
        return self._model.parameters()


class FusedNetworks:
    """Networks that Perceptune's engine trains as one."""

    def __init__(self, config: MLPConfig, networks: int, split: Split, seed: int) -> None:
        without_validation = split._replace(val_x=split.val_x[:1], val_y=split.val_y[:1])
        self._training = Training([Run(index, config, seed) for index in range(networks)], without_validation)

    def train_epoch(self, epoch: int) -> None:  # noqa: ARG002  # the engine counts them itself
        self._training.train_epoch()

    def parameters(self) -> Parameters:
        return self._training.parameters_of({0})[0]


def network(implementation: str, config: MLPConfig, networks: int, split: Split, seed: int) -> Network:
    """The network, or the networks, with the parameters that this seed gives them."""
    if implementation == "fused":
        return FusedNetworks(config, networks, split, seed)
    initial = initial_parameters(Run(0, config, seed), *split.shape, split.train_x.dtype)
    model = _MODELS[implementation](config, [layer.to(split.train_x.device) for layer in initial])
    return PlainNetwork(model, split, seed)


@contextmanager
def timer(subject: Subject) -> Iterator[Timer]:
    """Times epochs, after one that warms up; `seconds` are those of all networks. Raises NotAvailableError."""
    assert subject.split is not None
    params, split = subject.params, subject.split
    examples = params["examples"] or len(split.train_y)
    split = split._replace(train_x=split.train_x[:examples], train_y=split.train_y[:examples])
    with _compiling(params["implementation"]):
        trained = network(params["implementation"], config_of(params), networks_of(params), split, subject.seed)
        trained.train_epoch(1)
    epochs = count(2)

    def seconds() -> float:
        synchronize(subject.device)
        start = time.perf_counter()
        trained.train_epoch(next(epochs))
        synchronize(subject.device)
        return time.perf_counter() - start

    yield Timer(seconds, subject.device)


@contextmanager
def _compiling(implementation: str) -> Iterator[None]:
    """The first epoch compiles what is compiled. Raises NotAvailableError where that can't be done."""
    try:
        yield
    except Exception as error:
        if implementation != "compiled":
            raise
        reason = in_short(error)[:MAX_REASON_LENGTH]
        raise NotAvailableError(f"torch.compile does not work here: {type(error).__name__}: {reason}") from error

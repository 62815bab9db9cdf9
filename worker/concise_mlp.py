"""The book's concise multilayer perceptron (Dive into Deep Learning 5.2.2): nn.Sequential and torch.optim."""

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from worker.initializers import Layer, Parameters, initial_parameters
from worker.plain_training import train_alone
from worker.run import EpochResult, Run, RunConfig
from worker.training import Split

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}


OPTIMIZERS: dict[str, Callable[[Iterator[nn.Parameter], RunConfig], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, config: _sgd(parameters, config, nesterov=False),
    "momentum": lambda parameters, config: _sgd(parameters, config, nesterov=False),
    "nesterov": lambda parameters, config: _sgd(parameters, config, nesterov=config.momentum > 0),
    "adam": lambda parameters, config: torch.optim.Adam(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay
    ),
    "adamw": lambda parameters, config: torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay
    ),
    "rmsprop": lambda parameters, config: torch.optim.RMSprop(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, momentum=config.momentum
    ),
}


def _sgd(parameters: Iterator[nn.Parameter], config: RunConfig, nesterov: bool) -> torch.optim.Optimizer:
    rate, momentum, decay = config.learning_rate, config.momentum, config.weight_decay
    return torch.optim.SGD(parameters, rate, momentum=momentum, weight_decay=decay, nesterov=nesterov)


class MLPConcise:
    """Linear layers with activations between them, from the framework's own parts."""

    def __init__(self, config: RunConfig, parameters: Parameters) -> None:
        self.config = config
        self._linear = [_linear(layer) for layer in parameters]
        hidden = [(linear, ACTIVATIONS[config.activation]()) for linear in self._linear[:-1]]
        self._net = nn.Sequential(*chain.from_iterable(hidden), self._linear[-1])
        self._optimizer = OPTIMIZERS[config.optimizer](self._net.parameters(), config)

    def logits(self, x: Tensor) -> Tensor:
        """[batch, classes] for x [batch, features]."""
        logits: Tensor = self._net(x)
        return logits

    def descend(self, loss: Tensor, learning_rate: float) -> None:
        """One step of its optimizer."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimizer.step()

    def parameters(self) -> Parameters:
        """Copies of its layers, weight [outputs, inputs] and bias [outputs]."""
        return [Layer(linear.weight.detach().clone(), linear.bias.detach().clone()) for linear in self._linear]


def _linear(layer: Layer) -> nn.Linear:
    outputs, inputs = layer.weight.shape
    linear = nn.Linear(inputs, outputs, device=layer.weight.device, dtype=layer.weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(layer.weight)
        linear.bias.copy_(layer.bias)
    return linear


def train_concise(run: Run, split: Split, dtype: torch.dtype = torch.float32) -> Iterator[EpochResult]:
    """Trains a run alone with the framework; the same data order and initial weights as in a cohort."""
    x = split.train_x.to(dtype)
    initial = initial_parameters(run, x.shape[1], split.classes, dtype)
    model = MLPConcise(run.config, [Layer(*(tensor.to(x.device) for tensor in layer)) for layer in initial])
    return train_alone(model, run, split._replace(train_x=x, val_x=split.val_x.to(dtype)))

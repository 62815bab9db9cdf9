"""The book's concise multilayer perceptron (Dive into Deep Learning 5.2.2): nn.Sequential and torch.optim."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, zip_longest

import torch
from torch import Tensor, nn

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from worker.mlp.batch_norm import fold
from worker.mlp.dropout import mask
from worker.mlp.initializers import Layer, Parameters
from worker.mlp.reference.plain_training import train_alone
from worker.mlp.split import Split

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


OPTIMIZERS: dict[str, Callable[[Iterator[nn.Parameter], MLPConfig], torch.optim.Optimizer]] = {
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


def _sgd(parameters: Iterator[nn.Parameter], config: MLPConfig, nesterov: bool) -> torch.optim.Optimizer:
    rate, momentum, decay = config.learning_rate, config.momentum, config.weight_decay
    return torch.optim.SGD(parameters, rate, momentum=momentum, weight_decay=decay, nesterov=nesterov)


class Dropout(nn.Module):
    """nn.Dropout with the noise of the fused networks in place of its own; without noise nothing is dropped."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.noise: Tensor | None = None  # [batch, units] int32; None in validation
        self._dropout = dropout

    def forward(
        self,
        x: Tensor,  # [batch, units]
    ) -> Tensor:  # [batch, units]
        return x if self.noise is None else x * mask(self.noise, self._dropout).to(x.dtype)


class MLPConcise:
    """Linear layers, normalization, activations and dropout between them, from the framework's own parts."""

    def __init__(
        self,
        config: MLPConfig,
        parameters: Parameters,  # weight [outputs, inputs] and bias [outputs] of each layer; copied
    ) -> None:
        self.config = config
        # a normalization takes the mean away, bias and all, and has a shift of its own
        self._linear = [_linear(layer, bias=not config.batch_norm) for layer in parameters[:-1]]
        self._linear.append(_linear(parameters[-1]))
        like = parameters[0].weight
        self._norms = [
            nn.BatchNorm1d(width, device=like.device, dtype=like.dtype)
            for width in config.hidden_layers
            if config.batch_norm
        ]
        self._dropouts = [Dropout(config.dropout) for _ in config.hidden_layers if config.dropout]
        activations = [ACTIVATIONS[config.activation]() for _ in config.hidden_layers]
        layers = zip_longest(self._linear[:-1], self._norms, activations, self._dropouts)
        self._net = nn.Sequential(*filter(None, chain.from_iterable(layers)), self._linear[-1])
        self._optimizer = OPTIMIZERS[config.optimizer](self._net.parameters(), config)

    def logits(
        self,
        x: Tensor,  # [batch, features]
        noise: Sequence[Tensor] | None = None,  # [batch, units] int32 a hidden layer; None: as in validation
    ) -> Tensor:  # [batch, classes]
        """The network's scores of each class."""
        self._net.train(noise is not None and len(x) > 1)  # a single example has no variance
        for dropout, layer_noise in zip_longest(self._dropouts, noise or ()):
            dropout.noise = layer_noise
        logits: Tensor = self._net(x)
        return logits

    def descend(
        self,
        loss: Tensor,  # () nats, the mean over a mini-batch
        learning_rate: float,
    ) -> None:
        """One step of its optimizer."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimizer.step()

    def parameters(self) -> Parameters:
        """Copies of its layers as in validation, weight [outputs, inputs] and bias [outputs]; norms are folded in."""
        layers = [_layer(linear) for linear in self._linear]
        for index, norm in enumerate(self._norms):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            affine = Layer(norm.weight.detach(), norm.bias.detach())  # [units] each
            layers[index] = fold(layers[index], affine, Layer(norm.running_mean, norm.running_var))
        return layers


def _linear(
    layer: Layer,  # weight [outputs, inputs], bias [outputs]
    bias: bool = True,
) -> nn.Linear:
    outputs, inputs = layer.weight.shape
    linear = nn.Linear(inputs, outputs, bias, device=layer.weight.device, dtype=layer.weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(layer.weight)
        if bias:
            linear.bias.copy_(layer.bias)
    return linear


def _layer(linear: nn.Linear) -> Layer:  # weight [outputs, inputs], bias [outputs], copies
    weight, bias = linear.weight.detach(), linear.bias
    return Layer(weight.clone(), weight.new_zeros(len(weight)) if bias is None else bias.detach().clone())


def train_concise(run: Run, split: Split, dtype: torch.dtype = torch.float32) -> Iterator[EpochResult]:
    """Trains a run alone with the framework; the same data order and initial weights as in a cohort."""
    return train_alone(MLPConcise, run, split, dtype)

"""The book's multilayer perceptron from scratch (Dive into Deep Learning 5.2.1): raw tensors, own ReLU, own SGD.

Generalised from one hidden layer and ReLU to any depth and activation, each activation written from its formula.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from worker.mlp.initializers import Layer, Parameters
from worker.mlp.reference.plain_training import train_alone
from worker.mlp.split import Split


def relu(x: Tensor) -> Tensor:  # any shape
    """max(x, 0). Its derivative at 0 is 0, as in torch.nn.ReLU; that of torch.max would be a half."""
    return x.masked_fill(x <= 0, 0)


def sigmoid(x: Tensor) -> Tensor:  # any shape
    """1 / (1 + exp(-x)); beyond -80, where float32 would overflow, it is 0 anyway."""
    return 1 / (1 + torch.exp(-x.clamp(min=-80)))


def tanh(x: Tensor) -> Tensor:  # any shape
    """(1 - exp(-2x)) / (1 + exp(-2x))."""
    return 2 * sigmoid(2 * x) - 1


def gelu(x: Tensor) -> Tensor:  # any shape
    """x times the standard normal distribution function at x."""
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def leaky_relu(x: Tensor) -> Tensor:  # any shape
    """x above 0, x / 100 below."""
    return torch.where(x > 0, x, 0.01 * x)


def elu(x: Tensor) -> Tensor:  # any shape
    """x above 0, exp(x) - 1 below."""
    return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


def silu(x: Tensor) -> Tensor:  # any shape
    """x times its sigmoid."""
    return x * sigmoid(x)


def identity(x: Tensor) -> Tensor:  # any shape
    """x: the network stays linear, however deep."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    function.__name__: function for function in (relu, sigmoid, tanh, gelu, leaky_relu, elu, silu, identity)
}


class MLPScratch:
    """Weights [inputs, outputs] as the book has them, and plain tensors all the way.

    Raises ValueError for what is not in that chapter: optimizers other than plain descent, dropout, normalization.
    """

    def __init__(
        self,
        config: MLPConfig,
        parameters: Parameters,  # weight [outputs, inputs] and bias [outputs] of each layer; copied
    ) -> None:
        if config.update_rule != "sgd" or config.dropout or config.batch_norm:
            raise ValueError(f"from scratch there is plain sgd alone, without dropout or batch_norm, not {config}")
        self.config = config
        self._activation = ACTIVATIONS[config.activation]
        self._layers = [  # weight [inputs, outputs] and bias [outputs]
            (weight.T.contiguous().requires_grad_(), bias.clone().requires_grad_()) for weight, bias in parameters
        ]

    def logits(
        self,
        x: Tensor,  # [batch, features]
        noise: Sequence[Tensor] | None = None,  # noqa: ARG002  # nothing is dropped
    ) -> Tensor:  # [batch, classes]
        """The network's scores of each class."""
        *hidden, (weight, bias) = self._layers
        for W, b in hidden:
            x = self._activation(x @ W + b)  # [batch, outputs]
        return x @ weight + bias

    @torch.no_grad()
    def descend(
        self,
        loss: Tensor,  # () nats, the mean over a mini-batch
        learning_rate: float,
    ) -> None:
        """One step of gradient descent, p <- p - learning rate * (dL/dp + weight decay * p)."""
        tensors = [tensor for layer in self._layers for tensor in layer]
        decay = self.config.weight_decay
        for tensor, grad in zip(tensors, torch.autograd.grad(loss, tensors), strict=True):
            tensor -= learning_rate * (grad + decay * tensor if decay else grad)  # as the book has it where it is 0

    def parameters(self) -> Parameters:
        """Copies of its layers, weight [outputs, inputs] and bias [outputs]."""
        return [Layer(weight.detach().T.clone(), bias.detach().clone()) for weight, bias in self._layers]


def train_scratch(run: Run, split: Split, dtype: torch.dtype = torch.float32) -> Iterator[EpochResult]:
    """Trains a run alone, from scratch; the same data order and initial weights as in a cohort."""
    return train_alone(MLPScratch, run, split, dtype)

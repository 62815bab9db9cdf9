"""Initial weights and biases of a run, drawn from its own generator."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from worker.mlp.seeds import generator_for


class Layer(NamedTuple):
    """A linear layer, y = weight @ x + bias."""

    weight: Tensor  # [outputs, inputs]
    bias: Tensor  # [outputs]


Parameters = list[Layer]
Draw = Callable[[Tensor, MLPConfig, Generator], object]

# All but "default" leave the biases at zero. Xavier has the gain that is given and Kaiming sqrt(2) under every
# activation: one named thing changes at a time.
INITIALIZERS: dict[str, Draw] = {
    "default": lambda weight, _, generator: nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator),
    "normal": lambda weight, config, generator: weight.normal_(0, config.init_std, generator=generator),
    "uniform": lambda weight, config, generator: weight.uniform_(
        -config.init_range, config.init_range, generator=generator
    ),
    "xavier_uniform": lambda weight, config, generator: nn.init.xavier_uniform_(
        weight, config.init_gain, generator=generator
    ),
    "xavier_normal": lambda weight, config, generator: nn.init.xavier_normal_(
        weight, config.init_gain, generator=generator
    ),
    "kaiming_uniform": lambda weight, _, generator: nn.init.kaiming_uniform_(weight, generator=generator),
    "kaiming_normal": lambda weight, _, generator: nn.init.kaiming_normal_(weight, generator=generator),
    # He et al. 2015 with the mean of inputs and outputs in place of the inputs, as mxnet.init.MSRAPrelu has it
    "msra_prelu": lambda weight, config, generator: nn.init.xavier_normal_(
        weight, (2 / (1 + config.init_slope**2)) ** 0.5, generator=generator
    ),
    "orthogonal": lambda weight, _, generator: nn.init.orthogonal_(weight, generator=generator),
    "zeros": lambda weight, _config, _generator: weight.zero_(),
}


def initialize(layer: Layer, config: MLPConfig, generator: Generator) -> None:
    """Writes the configuration's initialization into a layer on the generator's device.

    "default" is that of torch.nn.Linear: weights and biases from U(-1/sqrt(inputs), 1/sqrt(inputs)).
    """
    INITIALIZERS[config.initialization](layer.weight, config, generator)
    if config.initialization == "default":
        bound = layer.weight.shape[1] ** -0.5
        layer.bias.uniform_(-bound, bound, generator=generator)
    else:
        layer.bias.zero_()


def initial_parameters(run: Run, features: int, classes: int, dtype: torch.dtype = torch.float32) -> Parameters:
    """A run's layers before training, on the CPU, where the same seed draws the same numbers for every device."""
    generator = generator_for("weights", run.seed)
    layers = [
        Layer(torch.empty(outputs, inputs, dtype=dtype), torch.empty(outputs, dtype=dtype))
        for inputs, outputs in run.config.layer_sizes(features, classes)
    ]
    for layer in layers:
        initialize(layer, run.config, generator)
    for layer in layers[:-1]:
        if run.config.batch_norm:  # which takes the mean away, and has a shift of its own
            layer.bias.zero_()
    return layers

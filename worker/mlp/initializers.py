"""Initial weights and biases of a run, drawn from its own generator."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from worker.mlp.seeds import generator_for


class Layer(NamedTuple):
    """A linear layer, y = weight @ x + bias.

    The pairs of batch normalization have its form too: gain and shift, and running mean and running variance, stand as
    weight and bias, both [outputs].
    """

    weight: Tensor  # [outputs, inputs]
    bias: Tensor  # [outputs]

    def to(self, device: torch.device, *, copy: bool = False) -> "Layer":
        """The layer on a device; with `copy` in memory of its own also where it is there already."""
        return Layer(self.weight.to(device, copy=copy), self.bias.to(device, copy=copy))


Parameters = list[Layer]
Initializer = Callable[[Tensor, MLPConfig, Generator], object]  # fills weight [outputs, inputs] in place

# All but "default" leave the biases at zero. Xavier has the gain of the configuration and Kaiming sqrt(2) under every
# activation: one named thing changes at a time.
INITIALIZERS: dict[str, Initializer] = {
    # torch.nn.Linear: with this slope the bound sqrt(6 / ((1 + a²) * inputs)) is 1 / sqrt(inputs)
    "default": lambda weight, _, generator: nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator),
    # D2L 5.2.1
    "normal": lambda weight, config, generator: weight.normal_(0, config.init_std, generator=generator),
    "uniform": lambda weight, config, generator: weight.uniform_(
        -config.init_range, config.init_range, generator=generator
    ),
    # Glorot and Bengio 2010; D2L 5.4.2.2
    "xavier_uniform": lambda weight, config, generator: nn.init.xavier_uniform_(
        weight, config.init_gain, generator=generator
    ),
    "xavier_normal": lambda weight, config, generator: nn.init.xavier_normal_(
        weight, config.init_gain, generator=generator
    ),
    # He et al. 2015
    "kaiming_uniform": lambda weight, _, generator: nn.init.kaiming_uniform_(weight, generator=generator),
    "kaiming_normal": lambda weight, _, generator: nn.init.kaiming_normal_(weight, generator=generator),
    # He et al. 2015 with the mean of inputs and outputs in place of the inputs, as mxnet.init.MSRAPrelu has it
    "msra_prelu": lambda weight, config, generator: nn.init.xavier_normal_(
        weight, (2 / (1 + config.init_slope**2)) ** 0.5, generator=generator
    ),
    # Saxe et al. 2014
    "orthogonal": lambda weight, _, generator: nn.init.orthogonal_(weight, generator=generator),
    # The units of a hidden layer begin equal, and stay so: D2L 5.4.1.3
    "zeros": lambda weight, _config, _generator: weight.zero_(),
}


def initialize(
    layer: Layer,  # weight [outputs, inputs], bias [outputs], on the generator's device; written over
    config: MLPConfig,
    generator: Generator,
) -> None:
    """Writes the configuration's initialization into a layer.

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
    # The biases were drawn all the same: with and without normalization a run begins with the same weights.
    for layer in layers[:-1]:
        if run.config.batch_norm:  # which takes the mean away, and has a shift of its own
            layer.bias.zero_()
    return layers

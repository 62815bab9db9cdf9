"""Initial weights are those that torch.nn defines."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from app.domain.configuration import INITIALIZATIONS, MLPConfig
from app.domain.runs import Run
from worker.mlp.initializers import INITIALIZERS, Layer, initial_parameters, initialize

TORCHS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "normal": lambda w, g: nn.init.normal_(w, std=0.02, generator=g),
    "uniform": lambda w, g: nn.init.uniform_(w, -0.3, 0.3, generator=g),
    "xavier_uniform": lambda w, g: nn.init.xavier_uniform_(w, 1.5, generator=g),
    "xavier_normal": lambda w, g: nn.init.xavier_normal_(w, 1.5, generator=g),
    "kaiming_uniform": lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g),
    "kaiming_normal": lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    "msra_prelu": lambda w, g: nn.init.normal_(w, 0, (4 / 1.04 / sum(w.shape)) ** 0.5, generator=g),
    "orthogonal": lambda w, g: nn.init.orthogonal_(w, generator=g),
    "zeros": lambda w, _: nn.init.zeros_(w),
}


def initialized(name: str, outputs: int, inputs: int, seed: int) -> Layer:
    """A layer initialized with a generator of this seed."""
    layer = Layer(torch.full((outputs, inputs), 9.0), torch.full((outputs,), 9.0))
    config = MLPConfig(initialization=name, init_std=0.02, init_range=0.3, init_gain=1.5, init_slope=0.2)
    initialize(layer, config, Generator().manual_seed(seed))
    return layer


def test_every_name_has_an_initializer() -> None:
    """The names that a configuration may carry and those that are defined are the same."""
    assert set(INITIALIZERS) == set(INITIALIZATIONS) == {*TORCHS, "default"}


@pytest.mark.parametrize("name", TORCHS)
def test_draws_what_torch_draws(name: str) -> None:
    """From the same generator come the very weights of torch.nn.init, and biases of zero."""
    layer = initialized(name, 50, 30, seed=3)
    torch.testing.assert_close(layer.weight, TORCHS[name](torch.empty(50, 30), Generator().manual_seed(3)))
    assert not layer.bias.any()


def test_default_is_a_fresh_linear_layer() -> None:
    """From the same seed come the very weights and biases of torch.nn.Linear."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        linear = nn.Linear(30, 50)
    layer = initialized("default", 50, 30, seed=5)
    assert torch.equal(layer.weight, linear.weight)
    torch.testing.assert_close(layer.bias, linear.bias.detach(), rtol=1e-6, atol=0)


def test_orthogonal_rows_are_orthonormal() -> None:
    """A wide layer's rows have length 1 and right angles."""
    weight = initialized("orthogonal", 20, 40, seed=0).weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(20), rtol=0, atol=1e-5)


def test_initial_parameters_depend_on_configuration_and_seed() -> None:
    """The same seed gives the same weights, another seed others; shapes are those of the layers."""
    config = MLPConfig((6, 4))
    first, again, other_seed = (
        initial_parameters(Run(key, config, seed), 20, 10) for key, seed in [(0, 7), (1, 7), (2, 8)]
    )
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].weight, other_seed[0].weight)
    assert [(tuple(w.shape), tuple(b.shape)) for w, b in first] == [((6, 20), (6,)), ((4, 6), (4,)), ((10, 4), (10,))]


@pytest.mark.parametrize("name", ["default", "normal", "uniform", "kaiming_uniform", "kaiming_normal"])
def test_a_narrow_network_begins_as_a_part_of_a_wide_one(name: str) -> None:
    """With the same seed its first units have the same weights, whatever else differs."""
    narrow, wide = (
        initial_parameters(Run("", MLPConfig(hidden_layers=(units,), initialization=name), 7), 784, 10)[0].weight
        for units in (16, 64)
    )
    torch.testing.assert_close(narrow, wide[:16], rtol=0, atol=0)

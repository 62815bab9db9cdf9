"""Activations and their derivatives, against automatic differentiation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from app.domain import configuration
from worker.mlp.activations import ACTIVATIONS
from worker.mlp.reference import concise, scratch

TORCHS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "silu": functional.silu,
    "identity": lambda x: x,
}
POINTS = torch.cat([torch.linspace(-6, 6, 97, dtype=torch.float64), torch.tensor([0.0, -0.0, 1e-300, -40.0, 40.0])])


def value_and_slope(function: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    """A function's values and, by automatic differentiation, its derivative."""
    x = points.clone().requires_grad_()
    y = function(x)
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


def test_every_name_has_an_activation() -> None:
    """The three implementations know the names that a configuration may carry, and no others."""
    names = set(configuration.ACTIVATIONS)
    assert names == set(ACTIVATIONS) == set(scratch.ACTIVATIONS) == set(concise.ACTIVATIONS) == set(TORCHS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_fused_activation_equals_torch(name: str) -> None:
    """Value and derivative agree everywhere, the kinks at 0 included."""
    activation = ACTIVATIONS[name]
    before = POINTS.clone()
    after = before if activation.in_place else torch.empty_like(before)
    activation.forward(before, after)
    slope = torch.ones_like(before)
    activation.backward(slope, after if activation.in_place else before)
    torch.testing.assert_close((after, slope), value_and_slope(TORCHS[name], POINTS), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scratch_activation_equals_torch(name: str) -> None:
    """The formulas written out have torch's values and derivatives, the kinks at 0 included."""
    by_formula = value_and_slope(scratch.ACTIVATIONS[name], POINTS)
    torch.testing.assert_close(by_formula, value_and_slope(TORCHS[name], POINTS), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scratch_activation_is_finite_far_out(name: str) -> None:
    """Neither values nor derivatives overflow in single precision."""
    far = torch.tensor([-1e4, -100.0, 100.0, 1e4])
    values, slopes = value_and_slope(scratch.ACTIVATIONS[name], far)
    assert values.isfinite().all()
    assert slopes.isfinite().all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_not_a_number_stays_visible(name: str) -> None:
    """A network that broke must not look well again behind its activation."""
    activation = ACTIVATIONS[name]
    broken = torch.tensor([float("nan"), 1.0])
    after = broken.clone() if activation.in_place else torch.empty(2)
    activation.forward(after if activation.in_place else broken, after)
    assert after.isnan().tolist() == scratch.ACTIVATIONS[name](broken).isnan().tolist() == [True, False]

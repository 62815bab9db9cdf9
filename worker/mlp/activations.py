"""Activation functions with their derivatives, each one fused kernel forward and one backward."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_aten = torch.ops.aten


class Activation(NamedTuple):
    """h = forward(z) and dL/dz from dL/dh, elementwise on tensors of any shape.

    `forward(z, out)` writes h into `out`. `backward(grad, saved)` turns dL/dh into dL/dz in place. `saved` is h where
    the derivative can be told from it: then `in_place` holds and `out` may be z itself. Otherwise it is z.
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor], object]
    in_place: bool = True


def _nothing(_first: Tensor, _second: Tensor) -> None:
    """The identity leaves both values and gradients where they are."""


ACTIVATIONS: dict[str, Activation] = {
    # the derivative at 0 is 0, as in torch.nn.ReLU
    "relu": Activation(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda grad, h: _aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad),
    ),
    "sigmoid": Activation(
        lambda z, out: torch.sigmoid(z, out=out),
        lambda grad, h: _aten.sigmoid_backward.grad_input(grad, h, grad_input=grad),
    ),
    "tanh": Activation(
        lambda z, out: torch.tanh(z, out=out),
        lambda grad, h: _aten.tanh_backward.grad_input(grad, h, grad_input=grad),
    ),
    "gelu": Activation(
        lambda z, out: _aten.gelu.out(z, out=out),
        lambda grad, z: _aten.gelu_backward.grad_input(grad, z, grad_input=grad),
        in_place=False,
    ),
    "leaky_relu": Activation(
        lambda z, out: _aten.leaky_relu.out(z, 0.01, out=out),
        lambda grad, h: _aten.leaky_relu_backward.grad_input(grad, h, 0.01, True, grad_input=grad),
    ),
    "elu": Activation(
        lambda z, out: _aten.elu.out(z, out=out),
        lambda grad, h: _aten.elu_backward.grad_input(grad, 1, 1, 1, True, h, grad_input=grad),
    ),
    "silu": Activation(
        lambda z, out: _aten.silu.out(z, out=out),
        lambda grad, z: _aten.silu_backward.grad_input(grad, z, grad_input=grad),
        in_place=False,
    ),
    "identity": Activation(_nothing, _nothing),
}

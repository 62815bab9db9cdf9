"""Activation functions with their derivatives, each one fused kernel forward and one backward."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_aten = torch.ops.aten  # torch's own kernels: its public functions do not all write into memory that is there


class Activation(NamedTuple):
    """h = forward(z) and dL/dz from dL/dh, elementwise on tensors of any shape."""

    forward: Callable[[Tensor, Tensor], object]  # (z, out): writes h into `out`
    backward: Callable[[Tensor, Tensor], object]  # (grad, saved): turns dL/dh into dL/dz in place
    in_place: bool = True  # `out` may be z itself, and `saved` is h, which tells the derivative; otherwise it is z


def _unchanged(_grad: Tensor, _saved: Tensor) -> None:
    """The identity leaves grads as they are."""


def _copied(z: Tensor, out: Tensor) -> None:
    """The identity leaves values where they are, unless they are wanted elsewhere."""
    if out is not z:
        out.copy_(z)


ACTIVATIONS: dict[str, Activation] = {
    # The derivative at 0 is 0, as in torch.nn.ReLU: h > 0 says the same as z > 0.
    "relu": Activation(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda grad, h: _aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad),
    ),
    # h * (1 - h)
    "sigmoid": Activation(
        lambda z, out: torch.sigmoid(z, out=out),
        lambda grad, h: _aten.sigmoid_backward.grad_input(grad, h, grad_input=grad),
    ),
    # 1 - h²
    "tanh": Activation(
        lambda z, out: torch.tanh(z, out=out),
        lambda grad, h: _aten.tanh_backward.grad_input(grad, h, grad_input=grad),
    ),
    # Hendrycks and Gimpel 2016, the exact form with erf. It is not monotonic: h does not tell z, which stays beside it.
    "gelu": Activation(
        lambda z, out: _aten.gelu.out(z, out=out),
        lambda grad, z: _aten.gelu_backward.grad_input(grad, z, grad_input=grad),
        in_place=False,
    ),
    # torch.nn.LeakyReLU; the True says that the sign is read from h.
    "leaky_relu": Activation(
        lambda z, out: _aten.leaky_relu.out(z, 0.01, out=out),
        lambda grad, h: _aten.leaky_relu_backward.grad_input(grad, h, 0.01, True, grad_input=grad),
    ),
    # Clevert et al. 2016. Below 0 the derivative is h + 1; True as above, and the ones are alpha and two scales.
    "elu": Activation(
        lambda z, out: _aten.elu.out(z, out=out),
        lambda grad, h: _aten.elu_backward.grad_input(grad, 1, 1, 1, True, h, grad_input=grad),
    ),
    # Ramachandran et al. 2017, "swish"; like GELU it needs z.
    "silu": Activation(
        lambda z, out: _aten.silu.out(z, out=out),
        lambda grad, z: _aten.silu_backward.grad_input(grad, z, grad_input=grad),
        in_place=False,
    ),
    "identity": Activation(_copied, _unchanged),
}

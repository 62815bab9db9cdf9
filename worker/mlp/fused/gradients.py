"""How the gradient of each parameter comes from what a backward pass has left."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Gradient(Protocol):
    """The gradient of some rows of parameters."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the gradient: rows first."""
        ...

    def write(
        self,
        out: Tensor,  # `shape`
    ) -> None:
        """Computes it."""
        ...

    def add_to(
        self,
        target: Tensor,  # `shape`
    ) -> None:
        """Computes it and adds it, where possible in one product."""
        ...

    def part(self, rows: slice) -> "Gradient":
        """That of some of the rows."""
        ...


class ProductGradient(NamedTuple):
    """That of the first layer's weights: `outputs_grad` @ `inputs`, one product for all runs."""

    outputs_grad: Tensor  # [rows, batch]
    inputs: Tensor  # [batch, inputs]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.outputs_grad), self.inputs.shape[1]

    def write(self, out: Tensor) -> None:
        torch.mm(self.outputs_grad, self.inputs, out=out)

    def add_to(self, target: Tensor) -> None:
        target.addmm_(self.outputs_grad, self.inputs)

    def part(self, rows: slice) -> "ProductGradient":
        return ProductGradient(self.outputs_grad[rows], self.inputs)


class BatchedProductGradient(NamedTuple):
    """That of a block's weights; its rows are the runs."""

    outputs_grad: Tensor  # [runs, outputs, batch]
    inputs: Tensor  # [runs, batch, inputs]

    @property
    def shape(self) -> tuple[int, ...]:
        return *self.outputs_grad.shape[:2], self.inputs.shape[2]

    def write(self, out: Tensor) -> None:
        torch.bmm(self.outputs_grad, self.inputs, out=out)

    def add_to(self, target: Tensor) -> None:
        target.baddbmm_(self.outputs_grad, self.inputs)

    def part(self, rows: slice) -> "BatchedProductGradient":
        return BatchedProductGradient(self.outputs_grad[rows], self.inputs[rows])


class SumGradient(NamedTuple):
    """That of biases: the sum over the batch."""

    outputs_grad: Tensor  # [rows, batch]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.outputs_grad),)

    def write(self, out: Tensor) -> None:
        torch.sum(self.outputs_grad, 1, out=out)

    def add_to(self, target: Tensor) -> None:
        target.add_(torch.sum(self.outputs_grad, 1))

    def part(self, rows: slice) -> "SumGradient":
        return SumGradient(self.outputs_grad[rows])


class ReadyGradient(NamedTuple):
    """One that the backward pass has computed already: that of gains and shifts."""

    grad: Tensor  # [rows]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.grad),)

    def write(self, out: Tensor) -> None:
        out.copy_(self.grad)

    def add_to(self, target: Tensor) -> None:
        target.add_(self.grad)

    def part(self, rows: slice) -> "ReadyGradient":
        return ReadyGradient(self.grad[rows])

"""A data set's training and validation part, as tensors on the device that trains."""

from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.datasets import Scaling, Target


def target_of(
    y: Tensor,  # [n] int64, or float
) -> Target:
    """Whether the targets are classes or numbers."""
    return "number" if y.is_floating_point() else "class"


class Split(NamedTuple):
    """Examples to train on and examples to validate with, scaled and already on the device."""

    train_x: Tensor  # [n, features] float
    train_y: Tensor  # [n] int64, the class of each example, or float, its number
    val_x: Tensor  # [n, features] float
    val_y: Tensor  # [n] int64 or float
    classes: int  # how many there are, whether or not the examples show each; 0 where targets are numbers
    scaling: Scaling | None = None  # of numbers that were standardized

    @property
    def target_std(self) -> float:
        """What 1 of a target is in its own units."""
        return self.scaling.target_std if self.scaling else 1.0

    @property
    def target(self) -> Target:
        """Whether the targets are classes or numbers."""
        return target_of(self.train_y)

    @property
    def outputs(self) -> int:
        """Outputs of a network: one for each class, or one for the number."""
        return self.classes or 1

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs: what a network has to fit."""
        return self.train_x.shape[1], self.outputs

    def with_dtype(self, dtype: torch.dtype) -> "Split":
        """The same examples with numbers of this dtype; shared where they have it already."""
        targets = [y.to(dtype) if y.is_floating_point() else y for y in (self.train_y, self.val_y)]
        return Split(self.train_x.to(dtype), targets[0], self.val_x.to(dtype), targets[1], self.classes, self.scaling)

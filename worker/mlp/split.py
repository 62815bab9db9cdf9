"""A data set's training and validation part, as tensors on the device that trains."""

from typing import NamedTuple

import torch
from torch import Tensor


class Split(NamedTuple):
    """Examples to train on and examples to validate with, scaled and already on the device."""

    train_x: Tensor  # [n, features] float
    train_y: Tensor  # [n] int64, the class of each example
    val_x: Tensor  # [n, features] float
    val_y: Tensor  # [n] int64
    classes: int  # how many there are, whether or not the examples show each

    def with_dtype(self, dtype: torch.dtype) -> "Split":
        """The same examples with features of this dtype; shared where they have it already."""
        return self._replace(train_x=self.train_x.to(dtype), val_x=self.val_x.to(dtype))

"""Tables of what changes from step to step, laid out on the device before the steps that need it."""

import torch
from torch import Tensor

from app.domain.memory import STEPS_AHEAD


class StepTable:
    """Rows of numbers, one a step: loaded by the host, selected on the device.

    So a step asks nothing of the host, and can be captured: which row it reads depends on a tensor, not on a number.
    """

    def __init__(
        self,
        width: int,
        like: Tensor,  # any shape: gives dtype and device
        steps: int = STEPS_AHEAD,
    ) -> None:
        self._rows = like.new_zeros(steps, width)  # [steps, width]
        self.current = like.new_zeros(1, width)  # the selected row: the same memory from the first step to the last

    def load(
        self,
        rows: Tensor,  # [steps, width], on any device and of any dtype
    ) -> None:
        """Writes the rows of the steps that follow."""
        self._rows[: len(rows)].copy_(rows)

    def select(
        self,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> Tensor:  # [1, width], which is `current`
        """Goes to the row at the cursor."""
        return torch.index_select(self._rows, 0, cursor, out=self.current)

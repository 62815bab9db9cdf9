"""What changes from step to step, laid out on the device before the steps that need it."""

import torch
from torch import Tensor

from app.domain.memory import STEPS_AHEAD


class Planned:
    """Rows of numbers, one a step: planned on the host, taken on the device, so that a step asks nothing of the host.

    `now` [1, width] is one memory from the first step to the last. `like` gives dtype and device.
    """

    def __init__(self, width: int, like: Tensor, steps: int = STEPS_AHEAD) -> None:
        self._rows = like.new_zeros(steps, width)
        self.now = like.new_zeros(1, width)

    def plan(self, rows: Tensor) -> None:
        """Writes the rows [steps, width] of the steps that follow, from anywhere."""
        self._rows[: len(rows)].copy_(rows)

    def take(self, cursor: Tensor) -> Tensor:
        """`now`, with the row at the cursor [1] int64, the number of planned steps that were taken."""
        return torch.index_select(self._rows, 0, cursor, out=self.now)

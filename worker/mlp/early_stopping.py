"""Patience: a run ends when it has waited long enough for a better validation loss."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EarlyStopping:
    """What patience has seen of one run so far.

    A run ends after `patience` epochs in a row without a new lowest validation loss; with a patience of 0 it never
    does. What it gives is its last epoch, not its best one: its value is measured as that of a run which goes to its
    end. Prechelt 1998; D2L 5.5.3.
    """

    lowest_loss: float = math.inf  # nats
    stale_epochs: int = 0  # in a row, since the lowest loss

    def after(self, val_loss: float) -> "EarlyStopping":
        """The same after one more epoch, which has this validation loss."""
        if val_loss < self.lowest_loss:
            return EarlyStopping(val_loss, 0)
        return EarlyStopping(self.lowest_loss, self.stale_epochs + 1)

    def is_over(self, patience: int) -> bool:
        """Whether the run ends here."""
        return 0 < patience <= self.stale_epochs

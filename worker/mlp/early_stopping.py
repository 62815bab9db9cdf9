"""When a run has waited long enough for a better validation loss."""

import math

from app.domain.configuration import MLPConfig


class EarlyStopping:
    """Watches one run; `patience` 0 never stops it.

    It stops after `patience` epochs in a row without a validation loss below the lowest one so far. What the run gives
    is its last epoch, not its best one: its value is measured as that of a run which goes to its end. Prechelt 1998.
    """

    def __init__(self, config: MLPConfig) -> None:
        self._patience = config.patience
        self._lowest, self._waited = math.inf, 0

    def stops(self, val_loss: float) -> bool:
        """Whether the run ends with the epoch that has this validation loss, in nats; called once an epoch."""
        self._waited = 0 if val_loss < self._lowest else self._waited + 1
        self._lowest = min(val_loss, self._lowest)
        return 0 < self._patience <= self._waited

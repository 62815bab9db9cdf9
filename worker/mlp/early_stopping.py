"""Patience: a run ends when it has waited long enough for a better validation loss."""

import math

from app.domain.configuration import MLPConfig


class EarlyStopping:
    """Watches one run and ends it after `patience` epochs in a row without a new lowest validation loss; 0 never does.

    What the run gives is its last epoch, not its best one: its value is measured as that of a run which goes to its
    end. Prechelt 1998; D2L 5.5.3.
    """

    def __init__(self, config: MLPConfig) -> None:
        self._patience = config.patience
        self._lowest_loss, self._epochs_without_improvement = math.inf, 0

    def stops(self, val_loss: float) -> bool:
        """Whether the run ends with the epoch that has this validation loss, in nats; called once an epoch."""
        improved = val_loss < self._lowest_loss
        self._epochs_without_improvement = 0 if improved else self._epochs_without_improvement + 1
        self._lowest_loss = min(val_loss, self._lowest_loss)
        return 0 < self._patience <= self._epochs_without_improvement

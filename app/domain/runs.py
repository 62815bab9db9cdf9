"""What is trained and what comes of it: one run of a configuration, and one epoch of its learning curve."""

from collections.abc import Hashable
from dataclasses import dataclass

from app.domain.configuration import MLPConfig


@dataclass(frozen=True)
class Run:
    """One training of a configuration; `key` comes back with its results.

    `seed` fixes the order of the data (runs of equal seed see the same mini-batches) and the initial weights, so that
    a run depends on its configuration and seed alone, never on the runs beside it.
    """

    key: Hashable
    config: MLPConfig
    seed: int


@dataclass(frozen=True)
class EpochResult:
    """One point of a run's learning curve.

    Losses are mean cross-entropies in nats, accuracies fractions in [0, 1]. Those of training are the running ones
    over the epoch's mini-batches, as they are minimised: with smoothed labels where the run has such. Those of
    validation are taken after the epoch, on the labels as they are. `seconds` is the run's share, by parameters, of
    the time that its cohort took for the epoch. A run `diverged` when a loss is no longer finite; it `stopped` when
    its patience ended, and this result is its last.
    """

    key: Hashable
    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    diverged: bool
    stopped: bool = False

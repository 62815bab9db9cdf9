"""One training of a configuration, and one epoch of its learning curve."""

from collections.abc import Hashable
from dataclasses import dataclass

from app.domain.configuration import MLPConfig


@dataclass(frozen=True)
class Run:
    """One training of a configuration: it depends on its configuration and seed alone, never on the runs beside it."""

    key: Hashable
    """Comes back with its results; no two runs that train together have the same."""
    config: MLPConfig
    """Its hyperparameters."""
    seed: int
    """Fixes the initial weights and the order of the data: runs of equal seed see the same mini-batches."""


@dataclass(frozen=True)
class EpochResult:
    """One point of a run's learning curve.

    The training's loss and accuracy are the running ones over the epoch's mini-batches, as they are minimised: with
    smoothed labels where the run has such. The validation's are taken after the epoch, on the labels as they are.
    """

    key: Hashable
    """The run's."""
    epoch: int
    """From 1."""
    train_loss: float
    """Mean cross-entropy, nats."""
    train_accuracy: float
    """Fraction of the examples, in [0, 1]."""
    val_loss: float
    """Mean cross-entropy, nats."""
    val_accuracy: float
    """Fraction of the examples, in [0, 1]."""
    seconds: float
    """The run's share, by parameters, of the time that its cohort took for the epoch."""
    diverged: bool
    """Whether a loss is no longer finite; this result is then the run's last."""
    stopped: bool = False
    """Whether the run's patience ended; this result is then its last."""

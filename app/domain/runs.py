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

    The training's figures are the running ones over the epoch's mini-batches, as they are minimised: with smoothed
    labels where the run has such. The validation's are taken after the epoch, on the labels as they are. Accuracies
    are those of classes, R² and absolute errors those of numbers; each is None of the other kind of target.
    """

    key: Hashable
    """The run's."""
    epoch: int
    """From 1."""
    train_loss: float
    """Mean cross-entropy in nats; of numbers the mean squared error in units of their training examples' variance."""
    train_accuracy: float | None
    """Fraction of the examples, in [0, 1]."""
    val_loss: float
    """As `train_loss`."""
    val_accuracy: float | None
    """Fraction of the examples, in [0, 1]."""
    seconds: float
    """The run's share, by parameters, of the time that its cohort took for the epoch."""
    diverged: bool
    """Whether a loss is no longer finite; this result is then the run's last."""
    stopped: bool = False
    """Whether the run's patience ended; this result is then its last."""
    train_r2: float | None = None
    """Share of the numbers' variance that is explained, at most 1; NaN where they do not vary."""
    train_mae: float | None = None
    """Mean absolute error in the target's own units."""
    val_r2: float | None = None
    """As `train_r2`."""
    val_mae: float | None = None
    """As `train_mae`."""

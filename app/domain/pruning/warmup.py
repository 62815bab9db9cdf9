"""In which epochs a pruner with a warm-up and an interval judges trials."""

from app.domain.pruning.options import MedianPruner, PercentilePruner, ThresholdPruner


def is_due(pruner: MedianPruner | PercentilePruner | ThresholdPruner, epoch: int) -> bool:
    """Whether the epoch is the first after the warm-up, or a whole number of intervals later.

    Optuna counts steps from 0 and epochs begin at 1, so the first epoch also stands for a look at step 0.
    """
    epochs_since = epoch - pruner.n_warmup_steps
    return epochs_since >= 0 and (epochs_since % pruner.interval_steps == 0 or epoch == 1)

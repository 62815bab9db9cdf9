"""What a trial comes to in each objective beside the first."""

from collections.abc import Sequence
from statistics import fmean

from app.domain.runs import EpochResult


def further_values(
    metrics: Sequence[str], lasts: Sequence[EpochResult], seconds: Sequence[float], parameters: int
) -> list[float]:
    """A value for each metric: the mean over a trial's runs of what they have after their last epochs.

    `seconds` are those of each run's training, all its epochs together; `parameters` those of its network.
    """
    known = {"parameters": float(parameters), "seconds": fmean(seconds)}
    return [known[name] if name in known else fmean(getattr(last, name) for last in lasts) for name in metrics]

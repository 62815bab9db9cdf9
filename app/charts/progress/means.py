"""Means over the runs of a trial after each epoch, of learning curves that were read run by run."""

from collections.abc import Iterable, Sequence

from app.charts.configurations import mean_and_std
from app.charts.rows import EpochMean, EpochRow


def epoch_means(rows: Sequence[EpochRow], metric: str) -> list[EpochMean]:
    """What app.queries.lens.curves reads of the same curves: the metric over runs, by trial and epoch.

    A run that has stopped early counts with its last epoch as long as another one of its trial goes on, and a run that
    has diverged, by its losses, counts as such from then on. An epoch that was not read of each run that came to it has
    no mean.
    """
    curves: dict[int, dict[int, dict[int, EpochRow]]] = {}
    for row in rows:
        curves.setdefault(row.trial, {}).setdefault(row.seed, {})[row.epoch] = row
    epochs = sorted({row.epoch for row in rows})
    return [mean for trial, runs in curves.items() for mean in _of_trial(trial, runs, metric, epochs)]


def _of_trial(
    trial: int, runs: dict[int, dict[int, EpochRow]], metric: str, epochs: Sequence[int]
) -> Iterable[EpochMean]:
    ends = {seed: max(curve) for seed, curve in runs.items()}
    longest = max(ends.values())
    current: dict[int, EpochRow] = {}
    for epoch in epochs:
        current |= {seed: curve[epoch] for seed, curve in runs.items() if epoch in curve}
        if any(row.epoch < min(epoch, ends[seed]) for seed, row in current.items()):
            continue
        sound = [row for row in current.values() if has_value(row, metric)]
        if epoch > longest and len(sound) == len(current):
            return
        values = [float(getattr(row, metric)) for row in sound] if epoch <= longest else []
        mean, std = mean_and_std(values) if values else (None, None)
        yield EpochMean(trial, epoch, mean, std, len(values), len(current) - len(sound))


def has_value(row: EpochRow, metric: str) -> bool:
    """Whether the run had not diverged: it does so by its losses, when its accuracy may still be a number."""
    return row.train_loss is not None and row.val_loss is not None and getattr(row, metric) is not None

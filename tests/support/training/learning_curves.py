"""Learning curves of runs on small data, and what two of them have in common."""

from collections.abc import Hashable

import torch

from app.domain.runs import EpochResult, Run
from tests.support.training.mlp_examples import small_split
from worker.mlp.split import Split
from worker.mlp.training import train

Curves = dict[Hashable, list[EpochResult]]
SPLIT = small_split()


def curves(runs: list[Run], split: Split = SPLIT) -> Curves:
    """Every run's learning curve, trained together in double precision."""
    by_run: Curves = {}
    for results in train(runs, split, dtype=torch.float64):
        for result in results:
            by_run.setdefault(result.key, []).append(result)
    return by_run


def numbers(curve: list[EpochResult]) -> list[tuple[float | None, ...]]:
    """A curve without its times."""
    return [(r.epoch, r.train_loss, r.train_accuracy, r.val_loss, r.val_accuracy) for r in curve]


def losses(curve: list[EpochResult]) -> list[float]:
    """The losses of a curve, which unlike accuracies do not jump with the last bit."""
    return [loss for r in curve for loss in (r.train_loss, r.val_loss)]

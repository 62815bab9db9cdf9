"""Scores of networks: the sums over examples on the device, and the means that are made of them."""

import math
from collections.abc import Hashable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.runs import EpochResult


class Score(NamedTuple):
    """How well a network does on some examples: by their classes, or by their numbers."""

    loss: float  # mean cross-entropy in nats, or mean squared error
    accuracy: float | None = None  # fraction of the examples whose class it tells
    r2: float | None = None  # share of the numbers' variance that it explains, R²; NaN where they do not vary
    mae: float | None = None  # mean absolute error, in the units of the numbers

    @classmethod
    def of_numbers(
        cls,
        squared_error: float,  # the mean over examples
        absolute_error: float,
        variance: float,  # of the numbers, about their own mean
    ) -> "Score":
        """The score of a regression."""
        return cls(squared_error, None, 1 - squared_error / variance if variance else float("nan"), absolute_error)

    def in_units(self, target_std: float) -> "Score":
        """The same with errors in the target's own units: 1 of what was scored is `target_std` of them."""
        return self if self.mae is None else self._replace(mae=self.mae * target_std)


def variance_of(
    y: Tensor,  # [n] float
) -> float:
    """Their mean squared distance from their own mean."""
    return y.var(correction=0).item()


def epoch_result(
    key: Hashable,
    epoch: int,
    train: Score,
    val: Score,
    seconds: float,
    target_std: float = 1.0,  # what 1 of a number that was scored is in its own units
) -> EpochResult:
    """A run's point of an epoch by its scores; it has diverged where a loss is not finite."""
    train, val = train.in_units(target_std), val.in_units(target_std)
    return EpochResult(
        key,
        epoch,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        val_loss=val.loss,
        val_accuracy=val.accuracy,
        seconds=seconds,
        diverged=not math.isfinite(train.loss + val.loss),
        train_r2=train.r2,
        train_mae=train.mae,
        val_r2=val.r2,
        val_mae=val.mae,
    )


class RunningSums(NamedTuple):
    """Sums over the examples so far, for each run.

    They stay on the device until `means`: reading them after each step would make the host wait for it.
    """

    loss: Tensor  # [runs] cross-entropy in nats, or squared error
    answers: Tensor  # [runs] int64, examples whose class has the largest logit; or float, absolute error of numbers

    @classmethod
    def zeros(
        cls,
        runs: int,
        like: Tensor,  # any shape: gives dtype and device
        target_dtype: torch.dtype = torch.int64,
    ) -> "RunningSums":
        """The sums over no examples."""
        return cls(like.new_zeros(runs), like.new_zeros(runs, dtype=target_dtype))

    def zero_(self) -> None:
        """Begins anew in the same memory, on which a captured step goes on adding."""
        self.loss.zero_()
        self.answers.zero_()

    def means(
        self,
        y: Tensor,  # [n] int64 or float, the targets of all examples
    ) -> list[Score]:
        """The score of each run; here the host waits for all steps of the device."""
        return list(self._scores(y))

    def _scores(self, y: Tensor) -> Iterator[Score]:
        variance = variance_of(y) if y.is_floating_point() else None
        for loss, answers in zip(self.loss.tolist(), self.answers.tolist(), strict=True):
            means = loss / len(y), answers / len(y)
            yield Score(*means) if variance is None else Score.of_numbers(*means, variance)

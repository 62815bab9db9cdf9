"""Fused and one at a time, thirty seeds give one answer."""

from statistics import fmean, stdev

import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from benchmarks.training.thirty_seeds import GOAL, fused_accuracies, plain_accuracies
from tests.support.training.digits import digits


def test_means_over_thirty_seeds_agree() -> None:
    """On scikit-learn's digits, in single precision: a hidden layer of 256, the seeds unlike, the means alike."""
    split = digits(1000, torch.float32)
    runs = [Run(seed, MLPConfig((256,), 0.1, 3, 64), seed) for seed in range(30)]
    fused, alone = fused_accuracies(runs, split), plain_accuracies(runs, split)
    assert stdev(fused) > 0
    assert abs(fmean(fused) - fmean(alone)) < GOAL

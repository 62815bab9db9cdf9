"""Real data for tests: scikit-learn's digits."""

import torch
from sklearn.datasets import load_digits

from worker.mlp.split import Split


def digits(train: int = 1400, dtype: torch.dtype = torch.float64) -> Split:
    """So many images of 64 pixels to train on, and the last 397 to validate."""
    bunch = load_digits()
    x, y = torch.from_numpy(bunch.data).to(dtype) / 16, torch.from_numpy(bunch.target).long()
    return Split(x[:train], y[:train], x[1400:], y[1400:], 10)

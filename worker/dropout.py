"""The noise that decides which hidden units a step drops."""

import torch
from torch import Tensor

from worker.seeds import generator_for


def draw(noise: Tensor, seed: int, epoch: int, step: int, layer: int) -> Tensor:
    """Fills `noise` [units, batch] float32, on the CPU, from U[0, 1); a unit is kept where it is at least the dropout.

    It belongs to the seed, the epoch (from 1), the step in it and the hidden layer (from 0). A unit's numbers are the
    same however many units there are, so that a run's masks do not depend on its cohort: as with the order of the data,
    runs of equal seed see the same noise, and can be compared.
    """
    return noise.uniform_(generator=generator_for("dropout", seed, epoch, step, layer))


def mask(noise: Tensor, dropout: float) -> Tensor:
    """What a run's hidden values are multiplied with: 0, or 1 / (1 - dropout). Srivastava et al. 2014."""
    return (noise >= torch.tensor(dropout)) / (1 - dropout)

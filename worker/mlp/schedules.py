"""Learning rates over the steps of a training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig


def is_constant(config: MLPConfig) -> bool:
    """Whether its learning rate is the same in every step."""
    return config.lr_schedule == "constant" and config.warmup_epochs == 0


def learning_rates(configs: Sequence[MLPConfig], epoch: int, steps: int) -> Tensor:
    """The learning rates [steps, runs] float64, on the CPU, of an epoch (from 1) of so many steps.

    With k the number of steps taken before, w = warmup_epochs * steps and u = max(k - w, 0), the learning rate is
    multiplied with (k + 1) / w while that is below 1, and then with

        constant  1
        step      lr_gamma ** floor(u / (lr_step_epochs * steps))    torch.optim.lr_scheduler.StepLR
        cosine    (1 + cos(pi * u / (epochs * steps - w))) / 2       SGDR, Loshchilov and Hutter 2017, without restarts
    """

    def each(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    taken = torch.arange((epoch - 1) * steps, epoch * steps, dtype=torch.float64).unsqueeze(1)
    warmup = each([config.warmup_epochs * steps for config in configs])
    after = (taken - warmup).clamp_min(0)
    left = each([config.epochs * steps for config in configs]).sub(warmup).clamp_min(1)
    drops = torch.floor(after / each([config.lr_step_epochs * steps for config in configs]))
    factors = {
        "constant": torch.ones_like(after),
        "step": each([config.lr_gamma for config in configs]) ** drops,
        "cosine": (1 + torch.cos(torch.pi * after / left)) / 2,
    }
    chosen = torch.stack([factors[config.lr_schedule][:, i] for i, config in enumerate(configs)], 1)
    rates = each([config.learning_rate for config in configs])
    rising = (taken + 1) < warmup
    return rates * torch.where(rising, (taken + 1) / warmup, chosen)

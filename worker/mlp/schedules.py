"""Learning rates over the steps of a training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig


def is_constant(config: MLPConfig) -> bool:
    """Whether its learning rate is the same in every step."""
    return config.lr_schedule == "constant" and config.warmup_epochs == 0


def learning_rates(
    configs: Sequence[MLPConfig],  # one a run
    epoch: int,  # from 1
    steps: int,  # of each epoch
) -> Tensor:  # [steps, runs] float64, on the CPU
    """The learning rates of an epoch.

    With k the number of steps taken before, w = warmup_epochs * steps and u = max(k - w, 0), the learning rate is
    multiplied with (k + 1) / w while that is below 1, and then with

        constant  1
        step      lr_gamma ** floor(u / (lr_step_epochs * steps))    torch.optim.lr_scheduler.StepLR
        cosine    (1 + cos(pi * u / (epochs * steps - w))) / 2       SGDR, Loshchilov and Hutter 2017, without restarts

    D2L 12.11.
    """

    def row(values: Sequence[float]) -> Tensor:
        # float64: the rates are made on the host, and rounded once, when they are loaded onto the device
        return torch.tensor(values, dtype=torch.float64)  # [runs]

    k = torch.arange((epoch - 1) * steps, epoch * steps, dtype=torch.float64).unsqueeze(1)  # [steps, 1]
    warmup = row([config.warmup_epochs * steps for config in configs])  # [runs] w, in steps
    after_warmup = (k - warmup).clamp_min(0)  # [steps, runs] u
    # at least 1 where the warm-up takes the whole training: what is divided by it is then 0
    decay_steps = row([config.epochs * steps for config in configs]).sub(warmup).clamp_min(1)  # [runs]
    drops = torch.floor(after_warmup / row([config.lr_step_epochs * steps for config in configs]))  # [steps, runs]
    factors = {  # [steps, runs] each
        "constant": torch.ones_like(after_warmup),
        "step": row([config.lr_gamma for config in configs]) ** drops,
        "cosine": (1 + torch.cos(torch.pi * after_warmup / decay_steps)) / 2,
    }
    scheduled = torch.stack([factors[config.lr_schedule][:, i] for i, config in enumerate(configs)], 1)  # [steps, runs]
    rates = row([config.learning_rate for config in configs])  # [runs]
    rising = (k + 1) < warmup  # [steps, runs]
    return rates * torch.where(rising, (k + 1) / warmup, scheduled)

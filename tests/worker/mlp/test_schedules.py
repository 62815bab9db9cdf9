"""Learning rates against torch.optim.lr_scheduler."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

from app.domain.configuration import MLPConfig
from worker.mlp.schedules import is_constant, learning_rates

EPOCHS, STEPS = 6, 7

TORCHS: dict[str, Callable[[Optimizer, int], LRScheduler]] = {
    "constant": lambda optimizer, _: ConstantLR(optimizer, factor=1.0),
    "step": lambda optimizer, _: StepLR(optimizer, 2 * STEPS, gamma=0.3),
    "cosine": lambda optimizer, steps: CosineAnnealingLR(optimizer, steps),
}


def learning_rates_of(config: MLPConfig) -> torch.Tensor:
    """A run's learning rate in every step of its training."""
    return torch.cat([learning_rates([config], epoch, STEPS)[:, 0] for epoch in range(1, config.epochs + 1)])


def torch_rates(schedule: str, warmup: int) -> list[float]:
    """The same from torch's schedulers."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = TORCHS[schedule](optimizer, (EPOCHS - warmup) * STEPS)
    if warmup:
        first = warmup * STEPS
        rise = LinearLR(optimizer, start_factor=1 / first, total_iters=first - 1)
        scheduler = SequentialLR(optimizer, [rise, scheduler], [first])
    rates = []
    for _ in range(EPOCHS * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # torch's SequentialLR warns of its own call
@pytest.mark.parametrize("warmup", [0, 1, 2])
@pytest.mark.parametrize("schedule", TORCHS)
def test_equals_torch(schedule: str, warmup: int) -> None:
    """Every step of the training has the learning rate of torch's schedulers, with warm-up and without."""
    config = MLPConfig((), 0.4, EPOCHS, lr_schedule=schedule, warmup_epochs=warmup, lr_step_epochs=2, lr_gamma=0.3)
    assert learning_rates_of(config).tolist() == pytest.approx(torch_rates(schedule, warmup), rel=1e-12, abs=1e-15)


def test_a_warm_up_may_be_part_of_an_epoch_or_longer_than_the_training() -> None:
    """It rises in equal steps, to the learning rate or to as much of it as there is time for."""
    half = learning_rates_of(MLPConfig((), 0.4, 2, warmup_epochs=0.5))
    assert half[:5].tolist() == pytest.approx([0.4 / 3.5, 0.8 / 3.5, 1.2 / 3.5, 0.4, 0.4])
    endless = learning_rates_of(MLPConfig((), 0.4, 2, lr_schedule="cosine", warmup_epochs=4))
    assert endless.tolist() == pytest.approx([0.4 * (k + 1) / 28 for k in range(14)])


def test_runs_keep_their_own_rates() -> None:
    """One call gives the rates of many runs, each as alone."""
    configs = [MLPConfig((), 0.1), MLPConfig((), 0.2, 5, lr_schedule="cosine"), MLPConfig((), 0.3, warmup_epochs=3)]
    whole = learning_rates(configs, 2, STEPS)
    assert torch.equal(whole, torch.cat([learning_rates([config], 2, STEPS) for config in configs], 1))
    assert [is_constant(config) for config in configs] == [True, False, False]

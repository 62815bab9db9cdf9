"""What a worker lets its device do."""

import pytest
import torch

from worker.device.devices import choose_device, device_name, flush_denormals
from worker.device.memory import free_memory


def test_what_decays_ends_at_zero() -> None:
    """A momentum that is multiplied with 0.9 in each step would else stay at a number that is slow to compute with."""
    velocity = torch.full((100,), 1e-30)
    flush_denormals()
    try:
        if not torch.set_flush_denormal(True):
            pytest.skip("this processor has no such mode")
        for _ in range(1000):
            velocity.mul_(0.9)
        assert velocity.count_nonzero() == 0
    finally:
        torch.set_flush_denormal(False)
    assert (torch.full((100,), 1e-30) * 1e-9).count_nonzero() == 100


def test_there_is_always_a_cpu() -> None:
    """It has a name and free memory."""
    device = choose_device("cpu")
    assert device == torch.device("cpu")
    assert "cpu" in device_name(device)
    assert free_memory(device) > 2**20


def test_refuses_a_device_that_is_not_there() -> None:
    """The message says what there is."""
    with pytest.raises(ValueError, match=r"cuda:99.*cpu"):
        choose_device("cuda:99")

"""What a worker lets its device do."""

from collections.abc import Iterator

import pytest
import torch

from app.config import Settings, load_settings
from app.errors import StartError
from worker.device.devices import choose_device, device_name, flush_denormals, use_tf32
from worker.device.memory import free_memory


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def test_tf32_is_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is off, `PERCEPTUNE_TF32=true` turns it on, and another word gets a sentence."""
    assert Settings().tf32 is False
    monkeypatch.setenv("PERCEPTUNE_TF32", "true")
    assert load_settings().tf32 is True
    monkeypatch.setenv("PERCEPTUNE_TF32", "perhaps")
    with pytest.raises(StartError, match="PERCEPTUNE_TF32='perhaps' can't be used: it should be a valid boolean"):
        load_settings()


def test_tf32_changes_nothing_on_a_cpu() -> None:
    """It is a switch of CUDA's alone."""
    factors = torch.rand(2, 300, 300)
    exact = factors[0] @ factors[1]
    use_tf32(True)
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.equal(factors[0] @ factors[1], exact)
    use_tf32(False)
    assert not torch.backends.cuda.matmul.allow_tf32


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

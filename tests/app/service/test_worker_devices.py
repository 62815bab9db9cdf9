"""Which devices the workers of a service are started on."""

from pathlib import Path

import pytest

from app.config import Settings
from app.service import workers

CARDS = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H100 (UUID: GPU-2)'"


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi names two cards, with a torch for them."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{CARDS}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(workers, "version", lambda _: "2.13.0")


def devices(device: str | None = None, count: int | None = None) -> list[str | None]:
    return workers.worker_devices(Settings(device=device, workers=count))


@pytest.mark.usefixtures("two_cards")
def test_there_is_a_worker_a_card() -> None:
    """Unless a device or a number is asked for."""
    assert devices() == ["cuda:0", "cuda:1"]
    assert devices(device="cuda:1") == ["cuda:1"]
    assert devices(count=3) == [None] * 3
    assert set(devices(device="cpu")) == {"cpu"}


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(("visible", "count"), [("1", 1), ("0,1", 2), ("GPU-2, GPU-1", 2), ("1,-1,0", 1), ("0,1,2", 2)])
def test_cards_that_are_hidden_have_none(visible: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch counts them: a worker on one that it does not see would end at its start, again and again."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == [f"cuda:{index}" for index in range(count)]


@pytest.mark.usefixtures("two_cards")
def test_without_cards_that_torch_sees_there_is_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are hidden, or torch is a build for CPUs alone."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert set(devices()) == {None}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(workers, "version", lambda _: "2.13.0+cpu")
    assert set(devices()) == {None}

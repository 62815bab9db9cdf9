"""What is timed: a trial's parameters, where it is measured, and what one repeat of it gives back."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from worker.device import memory
from worker.device.devices import synchronize
from worker.mlp.split import Split

WARM_UP_SECONDS = 0.1  # in which caches fill and clocks rise


class NotAvailableError(Exception):
    """What the trial asks for is not there on this machine; says what."""


@dataclass(frozen=True)
class Subject:
    """A trial that is to be timed here."""

    params: Mapping[str, Any]
    """Of its task, complete."""
    device: torch.device
    """The worker's."""
    seed: int
    split: Split | None = None
    """The data, where its task takes any."""


@dataclass(frozen=True)
class Timer:
    """Times one repeat after another."""

    seconds: Callable[[], float]
    """Those of one unit of what the task counts, measured anew by each call."""
    device: torch.device
    """Where it is measured."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What belongs to the circumstances."""


def seconds_of(operation: Callable[[], object], device: torch.device, least_seconds: float) -> Callable[[], float]:
    """Times an operation, warmed up: each call repeats it for at least so long, and gives back the mean."""
    operation()  # what is made by the first call alone
    calls, seconds = 0, 0.0
    while seconds < WARM_UP_SECONDS:
        seconds += _seconds(operation, device, 1)
        calls += 1
    times = max(1, math.ceil(least_seconds * calls / seconds))
    return lambda: _seconds(operation, device, times) / times


def _seconds(operation: Callable[[], object], device: torch.device, times: int) -> float:
    synchronize(device)
    start = time.perf_counter()
    for _ in range(times):
        operation()
    synchronize(device)
    return time.perf_counter() - start


def place(subject: Subject) -> torch.device:
    """The device that the trial names. Raises NotAvailableError."""
    name = subject.params["device"]
    if name == "cpu":
        return torch.device("cpu")
    if name == "gpu" and subject.device.type == "cpu":
        raise NotAvailableError("there is no GPU that this worker may use")
    return subject.device


def check_memory(needed_bytes: int, device: torch.device) -> None:
    """Raises NotAvailableError where there is not so much of it."""
    free_bytes = memory.free_memory(device)
    if needed_bytes > free_bytes:
        raise NotAvailableError(
            f"this takes {needed_bytes / 2**20:,.0f} MiB of memory, and {free_bytes / 2**20:,.0f} MiB are free"
        )

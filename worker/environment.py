"""What a worker computes with, kept with each sweep that it trains: it decides the last digits of a result."""

import platform
from importlib.metadata import version

import torch

from worker.device.devices import device_name

PACKAGES = ("perceptune", "torch", "optuna", "numpy")


def environment(device: torch.device) -> dict[str, str]:
    """Versions by package, the kind of numbers, and the device."""
    versions = {name: version(name) for name in PACKAGES}
    kind = str(torch.get_default_dtype()).removeprefix("torch.")
    return {"python": platform.python_version(), **versions, "dtype": kind, "device": device_name(device)}

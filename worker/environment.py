"""The environment of a worker, versions and device, which decide the last digits of a result."""

import platform
from importlib.metadata import version

import torch

from worker.device.devices import device_name

PACKAGES = ("perceptune", "torch", "optuna", "numpy")


def environment(device: torch.device) -> dict[str, str]:
    """Versions by package, the type of numbers, and the device, as they are stored with each sweep that it trains."""
    versions = {name: version(name) for name in PACKAGES}
    dtype = str(torch.get_default_dtype()).removeprefix("torch.")
    return {"python": platform.python_version(), **versions, "dtype": dtype, "device": device_name(device)}

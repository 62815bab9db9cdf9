"""The environment of a worker, versions and device, which decide the last digits of a result."""

import platform
from importlib.metadata import version

import torch

from app.domain.devices.products import EXACT, Products
from worker.device.devices import device_name

PACKAGES = ("perceptune", "torch", "optuna", "numpy")


def environment(device: torch.device, products: Products = EXACT) -> dict[str, str]:
    """Versions by package, the type of numbers, the device, and products that are not exact, as sweeps note them."""
    versions = {name: version(name) for name in PACKAGES}
    dtype = str(torch.get_default_dtype()).removeprefix("torch.")
    inexact = {} if products == EXACT else {"products": products}
    facts = {"dtype": dtype, **inexact, "device": device_name(device)}
    return {"python": platform.python_version(), **versions, **facts}

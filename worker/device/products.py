"""Products: with how many digits of their factors a device multiplies, which is one choice for a whole sweep."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from app.domain.devices.products import EXACT, Products

LEAST_ROUNDED_BATCH = 32  # `python -m benchmarks.training.bfloat16 --only W2/16 W2/32`
_MKLDNN = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # torch makes it when it is imported


def has_bfloat16(device: torch.device) -> bool:
    """Whether it multiplies numbers of the type bfloat16 by itself; others only emulate it."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return True
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def has_tf32(device: torch.device) -> bool:
    """Whether it is a card that rounds the factors of float32 products, if it may."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@cache
def rounds_to_bfloat16() -> bool:
    """Whether products of float32 numbers on this processor are rounded where they may be.

    It is tried: torch's library does so with AMX, while one with AVX512_BF16 alone goes on with all digits.
    """
    factors = torch.full((64, 64), 1 + 2**-10)  # of which bfloat16 makes 1
    with products("bfloat16"):
        return bool((factors @ factors == 64).all())


def choose_products(device: torch.device, *, tf32: bool, bf16: bool) -> Products:
    """What the settings come to on this device. Raises ValueError where bfloat16 is wanted and would save nothing."""
    if bf16 and device.type != "cpu":
        raise ValueError(f"it is for processors, and this worker trains on {device.type}")
    if bf16 and not rounds_to_bfloat16():
        raise ValueError("torch rounds no products on this processor, which has no AMX")
    if bf16:
        return "bfloat16"
    return "TF32" if tf32 and has_tf32(device) else EXACT


@contextmanager
def exact_if_few(batch: int) -> Iterator[None]:
    """Rounds no factors to bfloat16 within the block where a mini-batch has few examples: that would take longer."""
    if batch >= LEAST_ROUNDED_BATCH or _MKLDNN.fp32_precision != "bf16":
        yield
        return
    _MKLDNN.fp32_precision = "ieee"
    try:
        yield
    finally:
        _MKLDNN.fp32_precision = "bf16"


@contextmanager
def products(kind: Products) -> Iterator[None]:
    """Multiplies so within the block; sums are float32 in any case."""
    matmul = torch.backends.cuda.matmul
    earlier = matmul.allow_tf32, _MKLDNN.fp32_precision
    matmul.allow_tf32 = kind == "TF32"
    _MKLDNN.fp32_precision = "bf16" if kind == "bfloat16" else "ieee"
    try:
        yield
    finally:
        matmul.allow_tf32, _MKLDNN.fp32_precision = earlier

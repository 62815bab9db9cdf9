"""The task `time_matmul`: times the product of two square matrices, as many times as a clock needs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from app.domain.tasks.time_matmul import REPEAT_SECONDS
from worker.device.devices import use_tf32
from worker.mlp.seeds import generator_for
from worker.tasks.subject import NotAvailableError, Subject, Timer, check_memory, place, seconds_of
from worker.tasks.threads import threads

_BF16_CPUS = "neither AVX512_BF16 nor AMX"


@contextmanager
def timer(subject: Subject) -> Iterator[Timer]:
    """Times products; `seconds` are those of one. Raises NotAvailableError."""
    device, size = place(subject), int(subject.params["size"])
    dtype = _dtype(subject.params["dtype"], device)
    check_memory(3 * size**2 * dtype.itemsize, device)
    generator = generator_for("matmul", subject.seed)
    a, b = (torch.rand(size, size, generator=generator).to(device, dtype) for _ in range(2))  # [size, size] each
    product = torch.empty_like(a)
    with threads(subject.params["threads"], device), _tf32(subject.params["dtype"] == "tf32"):
        yield Timer(seconds_of(lambda: torch.mm(a, b, out=product), device, REPEAT_SECONDS), device)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    """Raises NotAvailableError for a type that the device only emulates."""
    if name == "tf32" and (device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0)):
        raise NotAvailableError(
            "tf32 is a type of NVIDIA's GPUs from compute capability 8.0 on, and there is none here"
        )
    if name == "bfloat16" and not _has_bfloat16(device):
        raise NotAvailableError(f"this device computes no bfloat16 products: it has {_BF16_CPUS}")
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return True
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def _tf32(enabled: bool) -> Iterator[None]:
    earlier = torch.backends.cuda.matmul.allow_tf32
    use_tf32(enabled)
    try:
        yield
    finally:
        use_tf32(earlier)

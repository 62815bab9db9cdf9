"""The task `time_matmul`: times the product of two square matrices, as many times as a clock needs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from app.domain.devices.products import EXACT, Products
from app.domain.tasks.time_matmul import REPEAT_SECONDS
from worker.device.products import has_bfloat16, has_tf32, products
from worker.mlp.seeds import generator_for
from worker.tasks.subject import NotAvailableError, Subject, Timer, check_memory, place, seconds_of
from worker.tasks.threads import threads


@contextmanager
def timer(subject: Subject) -> Iterator[Timer]:
    """Times products; `seconds` are those of one. Raises NotAvailableError."""
    device, size = place(subject), int(subject.params["size"])
    dtype = _dtype(subject.params["dtype"], device)
    check_memory(3 * size**2 * dtype.itemsize, device)
    generator = generator_for("matmul", subject.seed)
    a, b = (torch.rand(size, size, generator=generator).to(device, dtype) for _ in range(2))  # [size, size] each
    product = torch.empty_like(a)
    kind: Products = "TF32" if subject.params["dtype"] == "tf32" else EXACT
    with threads(subject.params["threads"], device), products(kind):
        yield Timer(seconds_of(lambda: torch.mm(a, b, out=product), device, REPEAT_SECONDS), device)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    """Raises NotAvailableError for a type that the device only emulates."""
    if name == "tf32" and not has_tf32(device):
        raise NotAvailableError(
            "tf32 is a type of NVIDIA's GPUs from compute capability 8.0 on, and there is none here"
        )
    if name == "bfloat16" and not has_bfloat16(device):
        raise NotAvailableError("this processor computes no bfloat16 products: it has neither AVX512_BF16 nor AMX")
    return torch.bfloat16 if name == "bfloat16" else torch.float32

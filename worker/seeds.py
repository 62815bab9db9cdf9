"""Random streams told apart by what they are for."""

import hashlib

import torch
from torch import Generator, Tensor


def generator_for(*names: str | int) -> Generator:
    """A CPU generator of its own for each tuple of names, the same on every machine.

    The names are hashed: neighbouring seeds and epochs give unrelated streams.
    """
    digest = hashlib.blake2b(repr(names).encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest) >> 1)


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """The order [count] int64, on the CPU, in which every run of this seed sees the examples in this epoch."""
    return torch.randperm(count, generator=generator_for("order", seed, epoch))

"""Random streams told apart by what they are for."""

import hashlib

import torch
from torch import Generator, Tensor


def number_for(*names: str | int) -> int:
    """A number of 64 bits for each tuple of names, the same on every machine.

    The names are hashed: neighbouring seeds and epochs give unrelated numbers.
    """
    return int.from_bytes(hashlib.blake2b(repr(names).encode(), digest_size=8).digest())


def generator_for(*names: str | int) -> Generator:
    """A CPU generator of its own for each tuple of names, the same on every machine."""
    return Generator().manual_seed(number_for(*names) >> 1)  # seeds are signed: 63 bits


def epoch_order(
    seed: int,  # of the runs
    epoch: int,  # from 1
    count: int,  # examples
) -> Tensor:  # [count] int64, on the CPU
    """The order in which every run of this seed sees the examples in this epoch."""
    return torch.randperm(count, generator=generator_for("order", seed, epoch))

"""Kinds of devices: what a sweep may wish for, and which kind a device of some name is."""

from typing import Literal, get_args

DeviceKind = Literal["cpu", "cuda", "mps"]

KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)


def device_kind(name: str) -> DeviceKind:
    """The kind of a device that is called so: an NVIDIA GPU is cuda:0 or its model, all others are called by kind."""
    return "cpu" if name == "cpu" else "mps" if name == "mps" else "cuda"

"""The context of a worker: its settings, broker, device, leases, and whether it was told to stop."""

import threading
from dataclasses import dataclass, field

import torch

from app.broker import Broker
from app.config import Settings
from app.domain.devices.products import EXACT, Products
from worker.leases import HeldLeases
from worker.throughput import Throughput


@dataclass(frozen=True)
class Context:
    """One worker, as the parts of its loop share it."""

    settings: Settings
    broker: Broker
    device: torch.device
    products: Products = EXACT
    """That sweeps are trained with which it begins."""
    held_leases: HeldLeases = field(default_factory=HeldLeases)
    throughput: Throughput = field(default_factory=Throughput)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set once the worker has to end: the epoch that is in training is the last one."""

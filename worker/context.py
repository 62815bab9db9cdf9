"""The context of a worker: its settings, database, device, leases, and whether it was told to stop."""

import threading
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import torch
from sqlalchemy import Engine

from app.config import Settings
from worker.leases import HeldLeases
from worker.throughput import Throughput


@dataclass(frozen=True)
class Context:
    """One worker, as the parts of its loop share it."""

    settings: Settings
    engine: Engine
    device: torch.device
    worker_id: UUID = field(default_factory=uuid4)
    held_leases: HeldLeases = field(default_factory=HeldLeases)
    throughput: Throughput = field(default_factory=Throughput)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set once the worker has to end: the epoch that is in training is the last one."""

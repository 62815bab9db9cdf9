"""Contexts of workers in the test's own process, on its database."""

import threading
from uuid import UUID

import torch
from sqlalchemy import Engine

from app.broker import DatabaseBroker
from app.config import Settings
from worker.context import Context


def context_on(engine: Engine, settings: Settings, worker_id: UUID | None = None) -> Context:
    """The context of a worker on a CPU, registered under this id or not yet."""
    stopping = threading.Event()
    broker = DatabaseBroker(engine, stopping, worker_id)
    return Context(settings, broker, torch.device("cpu"), stopping=stopping)

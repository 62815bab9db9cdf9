"""The tables; combinations of values that must not be are ruled out by CHECK constraints.

Lock order everywhere: the sweep's row first, then rows of its trials (app.queue.leases).
"""

from app.db.tables.access import Key, LoginSession, Share
from app.db.tables.base import Base
from app.db.tables.curves import Checkpoint, Diagnostics, Epoch
from app.db.tables.datasets import DatasetPiece, StoredDataset, info_of
from app.db.tables.events import Counter, WebhookDelivery
from app.db.tables.sweeps import DeletedSweep, ExerciseRun, LogEntry, Sweep
from app.db.tables.totals import SweepTotals
from app.db.tables.trials import Run, Trial
from app.db.tables.workers import Worker

__all__ = [
    "Base",
    "Checkpoint",
    "Counter",
    "DatasetPiece",
    "DeletedSweep",
    "Diagnostics",
    "Epoch",
    "ExerciseRun",
    "Key",
    "LogEntry",
    "LoginSession",
    "Run",
    "Share",
    "StoredDataset",
    "Sweep",
    "SweepTotals",
    "Trial",
    "WebhookDelivery",
    "Worker",
    "info_of",
]

"""The broker: the one way by which a worker takes work and hands in results, in the database or over HTTP."""

from app.broker.broker import Broker, Claim, WorkerFacts
from app.broker.database import DatabaseBroker, database_broker
from app.queue.errors import CallError, FaultError, RefusedError, UnreachableError, reason_of

__all__ = [
    "Broker",
    "CallError",
    "Claim",
    "DatabaseBroker",
    "FaultError",
    "RefusedError",
    "UnreachableError",
    "WorkerFacts",
    "database_broker",
    "reason_of",
]

"""The workers: which there are, what they train, and which of them rest."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from app import queries, queue, schemas
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/workers", tags=["system"])

WorkerId = Annotated[UUID, Path(description="Id of the worker.")]


@router.get("")
def list_workers(session: DatabaseSession) -> schemas.Page[schemas.WorkerOut]:
    """Workers that were heard of in the last day, the living first."""
    return schemas.Page(items=queries.list_workers(session))


@router.post("/{worker_id}/drain", responses=problems(404, 409))
def drain_worker(worker_id: WorkerId, session: DatabaseSession) -> schemas.WorkerOut:
    """Has a worker end after its epoch what it trains, hand the trials back, and claim nothing until it is undrained.

    What it times is finished first. A trial goes on from its checkpoint with another worker.
    """
    return _set_draining(session, worker_id, draining=True)


@router.post("/{worker_id}/undrain", responses=problems(404, 409))
def undrain_worker(worker_id: WorkerId, session: DatabaseSession) -> schemas.WorkerOut:
    """Lets a drained worker claim trials again."""
    return _set_draining(session, worker_id, draining=False)


def _set_draining(session: DatabaseSession, worker_id: UUID, *, draining: bool) -> schemas.WorkerOut:
    queue.set_draining(session, worker_id, draining=draining)
    session.flush()
    return queries.get_worker(session, worker_id)

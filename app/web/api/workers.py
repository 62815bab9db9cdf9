"""The list of workers."""

from fastapi import APIRouter

from app import queries, schemas
from app.web.dependencies import DatabaseSession

router = APIRouter(prefix="/api/v1/workers", tags=["system"])


@router.get("")
def list_workers(session: DatabaseSession) -> schemas.Page[schemas.WorkerOut]:
    """Workers that were heard of in the last day, the living first."""
    return schemas.Page(items=queries.list_workers(session))

"""The list of what a sweep's webhook was told."""

from fastapi import APIRouter

from app import queries, schemas
from app.web.dependencies import Cursor, DatabaseSession, Limit, SweepId
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps/{sweep_id}/deliveries", tags=["exports"])


@router.get("", responses=problems(404))
def list_deliveries(
    sweep_id: SweepId, session: DatabaseSession, limit: Limit = 100, after: Cursor = None
) -> schemas.Page[schemas.DeliveryOut]:
    """What the sweep's webhook was told and is still to be told, the newest first, with the last error of each."""
    return queries.list_deliveries(session, sweep_id, limit=limit, after=after)

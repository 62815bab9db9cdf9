"""The log of a sweep: who changed what and when, and what happened by itself."""

from fastapi import APIRouter

from app import queries, schemas
from app.web.dependencies import Cursor, DatabaseSession, Limit, SweepId
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps/{sweep_id}/log", tags=["sweeps"])


@router.get("", responses=problems(404))
def list_log(
    sweep_id: SweepId, session: DatabaseSession, limit: Limit = 100, after: Cursor = None
) -> schemas.Page[schemas.LogEntryOut]:
    """Each change of the sweep and its trials with the name of the key, beside lost workers, failed attempts, stop
    rules and looks at the test images; the newest first."""
    return queries.list_log(session, sweep_id, limit=limit, after=after)

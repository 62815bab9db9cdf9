"""Probes for orchestrators: whether the server answers, and whether its database is ready."""

from fastapi import APIRouter
from sqlalchemy.exc import OperationalError

from app.db.migrations import is_migrated
from app.errors import UnavailableError
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1", tags=["system"])
root_router = APIRouter(include_in_schema=False)  # the same at the root, where orchestrators look for them


@root_router.get("/healthz")
@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@root_router.get("/readyz", responses=problems(503))
@router.get("/readyz", responses=problems(503))
def readyz(session: DatabaseSession) -> dict[str, str]:
    """The database is reachable and its tables are those of this version; else 503."""
    try:
        migrated = is_migrated(session)
    except OperationalError:
        raise UnavailableError("The database can't be reached.") from None
    if not migrated:
        raise UnavailableError("The tables are not those of this version: run `perceptune db upgrade`.")
    return {"status": "ready"}

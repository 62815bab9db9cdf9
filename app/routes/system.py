"""Workers, data sets, and whether the server is well."""

from fastapi import APIRouter
from sqlalchemy.exc import OperationalError

from app import results, schemas
from app.catalog import DATASETS
from app.db import is_migrated
from app.errors import UnavailableError
from app.routes.dependencies import DatabaseSession, problems

router = APIRouter(prefix="/api/v1", tags=["system"])
probes = APIRouter(include_in_schema=False)  # at the root too, where orchestrators look for them


@router.get("/workers")
def list_workers(session: DatabaseSession) -> schemas.Page[schemas.WorkerOut]:
    """Workers that were heard of in the last day, the living first."""
    return schemas.Page(items=results.list_workers(session))


@router.get("/datasets")
def list_datasets() -> schemas.Page[schemas.DatasetOut]:
    """The data sets that a sweep can name."""
    return schemas.Page(items=[schemas.DatasetOut.model_validate(facts) for facts in DATASETS.values()])


@probes.get("/healthz")
@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@probes.get("/readyz", responses=problems(503))
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

"""Workers, data sets, and whether the server is well."""

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import OperationalError

from app import queries, schemas
from app.db.migrations import is_migrated
from app.domain.datasets import DATASETS
from app.errors import UnavailableError
from app.web import metrics
from app.web.dependencies import DatabaseSession, problems

router = APIRouter(prefix="/api/v1", tags=["system"])
probes = APIRouter(include_in_schema=False)  # at the root too, where orchestrators look for them


@router.get("/workers")
def list_workers(session: DatabaseSession) -> schemas.Page[schemas.WorkerOut]:
    """Workers that were heard of in the last day, the living first."""
    return schemas.Page(items=queries.list_workers(session))


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


@probes.get("/metrics", responses=problems())
@router.get("/metrics", responses=problems(), response_class=Response)
def prometheus_metrics(session: DatabaseSession) -> Response:
    """Sweeps, trials and workers by state, in Prometheus' text format."""
    return Response(metrics.exposition(session), media_type=CONTENT_TYPE_LATEST)


@probes.get("/api/docs")
def docs() -> Response:
    """The API to read and to try out; its scripts are served from here, so that it works offline too."""
    return get_swagger_ui_html(
        openapi_url="/api/openapi.json",
        title="Perceptune's API",
        swagger_js_url="/static/swagger/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger/swagger-ui.css",
        swagger_favicon_url="/static/favicon.svg",
    )

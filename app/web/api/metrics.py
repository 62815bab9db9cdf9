"""The metrics that Prometheus scrapes."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems
from app.web.monitoring.metrics import exposition

router = APIRouter(prefix="/api/v1", tags=["system"])
root_router = APIRouter(include_in_schema=False)  # the same at the root, where Prometheus looks for them


@root_router.get("/metrics", responses=problems())
@router.get("/metrics", responses=problems(), response_class=Response)
def prometheus_metrics(request: Request, session: DatabaseSession) -> Response:
    """Sweeps, trials, workers, the queue, webhooks, requests, connections and tasks, in Prometheus' text format."""
    return Response(exposition(request.app, session), media_type=CONTENT_TYPE_LATEST)

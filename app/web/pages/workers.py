"""The page of the workers."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app import queries, schemas
from app.domain.states import WorkerState
from app.web.dependencies import DatabaseSession
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class WorkerRow:
    """A worker in the table."""

    worker: schemas.WorkerOut

    @property
    def state(self) -> str:
        """Its state, or `lost` where it fell silent without saying that it stops."""
        is_known = self.worker.alive or self.worker.state == WorkerState.stopped
        return self.worker.state if is_known else "lost"


@dataclass(frozen=True)
class WorkersView:
    """The processes that train."""

    rows: Sequence[WorkerRow]
    address: str = "/workers"
    events: str = "/api/v1/events"

    @property
    def no_worker(self) -> bool:
        """Whether none is there to train what is queued."""
        return not any(row.worker.alive for row in self.rows)


@router.get("/workers")
def list_workers(request: Request, session: DatabaseSession) -> Response:
    """The processes that train."""
    return render(request, "workers.html", WorkersView([WorkerRow(worker) for worker in queries.list_workers(session)]))

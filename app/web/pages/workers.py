"""The page of the workers."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import make_url

from app import queries, queue, schemas
from app.config import Settings
from app.domain.states import WorkerState
from app.web.dependencies import DatabaseSession
from app.web.pages.labels import Button
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)

_DRAIN = Button("drain", "Drain", "It ends after this epoch, hands its trials back, and claims no others")
_UNDRAIN = Button("undrain", "Undrain", "It claims trials again")


@dataclass(frozen=True)
class WorkerRow:
    """A worker in the table."""

    worker: schemas.WorkerOut

    @property
    def state(self) -> str:
        """Its state, or `lost` where it fell silent without saying that it stops."""
        is_known = self.worker.alive or self.worker.state == WorkerState.stopped
        if not is_known:
            return "lost"
        return "drained" if self.worker.draining and self.worker.state == WorkerState.idle else self.worker.state

    @property
    def button(self) -> Button | None:
        """What can be done with it; nothing where it is gone."""
        if not self.worker.alive:
            return None
        return _UNDRAIN if self.worker.draining else _DRAIN

    @property
    def rate(self) -> str:
        """`1.2 million examples/s`, or nothing where nobody knows."""
        rate = self.worker.examples_per_second
        if rate is None:
            return "–"
        return f"{rate / 1e6:.1f} million examples/s" if rate >= 1e6 else f"{float(f'{rate:.2g}'):,.0f} examples/s"


@dataclass(frozen=True)
class WorkersView:
    """The processes that train."""

    rows: Sequence[WorkerRow]
    command: str
    """What starts one more worker here."""
    http_command: str
    """The same where this server is reached alone."""
    is_embedded: bool
    """Whether the database is the one that the server brought along, which no other machine reaches."""
    address: str = "/workers"
    events: str = "/api/v1/events"

    @property
    def no_worker(self) -> bool:
        """Whether none is there to train what is queued."""
        return not any(row.worker.alive for row in self.rows)


@router.get("/workers")
def list_workers(request: Request, session: DatabaseSession) -> Response:
    """The processes that train."""
    settings: Settings = request.app.state.settings
    rows = [WorkerRow(worker) for worker in queries.list_workers(session)]
    address = settings.public_url or str(request.base_url).rstrip("/")
    http_command = f"perceptune worker --server {shlex.quote(address)} --key KEY"
    view = WorkersView(rows, worker_command(settings), http_command, settings.has_embedded_database)
    return render(request, "workers.html", view)


@router.post("/workers/{worker_id}/{call}")
def drain_worker(worker_id: UUID, call: Literal["drain", "undrain"], session: DatabaseSession) -> Response:
    """Drains a worker, or lets it work again."""
    queue.set_draining(session, worker_id, draining=call == "drain")
    return RedirectResponse("/workers", status_code=303)


def worker_command(settings: Settings) -> str:
    """What starts one more worker: on this machine with the embedded database, else wherever the database is reached.

    A password is not shown.
    """
    if settings.has_embedded_database:
        return f"PERCEPTUNE_HOME={shlex.quote(str(settings.home))} perceptune worker"
    url = make_url(str(settings.database_url))
    shown_url = url.set(
        password="PASSWORD" if url.password else None,
        query={name: value for name, value in url.query.items() if name in {"host", "port"}},
    )
    return f"DATABASE_URL={shlex.quote(shown_url.render_as_string(hide_password=False))} perceptune worker"

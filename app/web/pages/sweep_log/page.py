"""The log of one sweep: who did what, and what happened by itself."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app import queries, schemas
from app.domain.people.log_events import BY_ITSELF
from app.lifecycle import sweep_row
from app.web.dependencies import Cursor, DatabaseSession, SweepId
from app.web.pages.rendering import PageLink, render

router = APIRouter(include_in_schema=False)

ENTRIES_A_PAGE = 50


@dataclass(frozen=True)
class LogView:
    """A page of the log, the newest entry first."""

    sweep_id: int
    sweep_name: str
    log: schemas.Page[schemas.LogEntryOut]
    address: str

    @property
    def events(self) -> str:
        """Where the browser hears of changes."""
        return f"/api/v1/sweeps/{self.sweep_id}/events"

    @property
    def older(self) -> str:
        """The page with the entries before these, or nothing."""
        return "" if self.log.next is None else f"/sweeps/{self.sweep_id}/log?after={self.log.next}"

    def author(self, entry: schemas.LogEntryOut) -> str:
        """The name of the key, `Perceptune` for what happened by itself, or nothing where no key was needed."""
        return "Perceptune" if entry.event in BY_ITSELF else entry.by or ""


@router.get("/sweeps/{sweep_id}/log")
def show_log(request: Request, sweep_id: SweepId, session: DatabaseSession, after: Cursor = None) -> Response:
    """What was done to the sweep and what befell it."""
    name = sweep_row.get(session, sweep_id).name
    log = queries.list_log(session, sweep_id, limit=ENTRIES_A_PAGE, after=after)
    address = PageLink(request.url.path, {}).to(after=after)
    return render(request, "sweep_log/page.html", LogView(sweep_id, name, log, address))

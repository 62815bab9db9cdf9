"""The log of one sweep: who did what, and what happened by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response

from app import queries, schemas
from app.domain.formatting import plural
from app.domain.people.log_events import BY_ITSELF
from app.lifecycle import sweep_row
from app.web.dependencies import Cursor, DatabaseSession, SweepId
from app.web.pages.rendering import PageLink, render

router = APIRouter(include_in_schema=False)

ENTRIES_A_PAGE = 50
DELIVERIES = 10  # of a webhook that are shown, the newest


@dataclass(frozen=True)
class LogView:
    """A page of the log, the newest entry first."""

    sweep_id: int
    sweep_name: str
    log: schemas.Page[schemas.LogEntryOut]
    address: str
    webhook_url: str = ""
    """Where the sweep tells of its states, or nothing; on the first page alone."""
    deliveries: Sequence[schemas.DeliveryOut] = ()
    """What it was told last, the newest first."""

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

    def outcome(self, delivery: schemas.DeliveryOut) -> str:
        """`delivered, answered 200`, or what became of the attempts."""
        if delivery.state == "delivered":
            return f"delivered, answered {delivery.status}"
        if not delivery.attempts:
            return "to be delivered"
        tries = plural(delivery.attempts, "attempt")
        ending = "given up" if delivery.state == "given_up" else "tried again later"
        return f"{ending} after {tries}: {delivery.error}"


@router.get("/sweeps/{sweep_id}/log")
def show_log(request: Request, sweep_id: SweepId, session: DatabaseSession, after: Cursor = None) -> Response:
    """What was done to the sweep and what befell it."""
    sweep = sweep_row.get(session, sweep_id)
    log = queries.list_log(session, sweep_id, limit=ENTRIES_A_PAGE, after=after)
    address = PageLink(request.url.path, {}).to(after=after)
    view = LogView(sweep_id, sweep.name, log, address)
    if sweep.webhook and after is None:
        page = queries.list_deliveries(session, sweep_id, limit=DELIVERIES)
        view = replace(view, webhook_url=sweep.webhook["url"], deliveries=page.items)
    return render(request, "sweep_log/page.html", view)

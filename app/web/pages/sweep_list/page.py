"""The page of all sweeps: its routes and what its template shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app import queries
from app.queue.workers import live_workers
from app.schemas.sweeps import Tag
from app.web.dependencies import Cursor, DatabaseSession
from app.web.pages.rendering import PageLink, render
from app.web.pages.sweep.summary import SweepSummary

router = APIRouter(include_in_schema=False)

SWEEPS_A_PAGE = 25

TagFilter = Annotated[Tag | Literal[""], Query()]


@dataclass(frozen=True)
class SweepListView:
    """One page of the list of sweeps, the newest first."""

    rows: Sequence[SweepSummary]
    tag: str
    """The tag that all of them have; empty without a filter."""
    tags: Sequence[str]
    """Those that the list can be narrowed to."""
    link: PageLink
    after: int | None
    next: str | None
    no_worker: bool
    """Whether something waits and nobody is there to train it."""
    events: str = "/api/v1/events"

    @property
    def address(self) -> str:
        """This page of the list."""
        return self.link.to(after=self.after or "")


@router.get("/")
def list_sweeps(request: Request, session: DatabaseSession, tag: TagFilter = "", after: Cursor = None) -> Response:
    """The sweeps, the newest first, all or those with a tag."""
    page = queries.list_sweeps(session, tag=tag or None, limit=SWEEPS_A_PAGE, after=after)
    rows = [SweepSummary(sweep) for sweep in page.items]
    view = SweepListView(
        rows=rows,
        tag=tag,
        tags=queries.tags(session),
        link=PageLink(request.url.path, {"tag": tag}),
        after=after,
        next=page.next,
        no_worker=not all(row.ended for row in rows) and not live_workers(session),
    )
    return render(request, "sweep_list/page.html", view)

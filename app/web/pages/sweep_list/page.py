"""The page of all sweeps, where the dashboard begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from app import queries
from app.db import datasets
from app.queries import sweep_search
from app.queries.sweep_search import SweepPage
from app.queue.workers import live_workers
from app.web.dependencies import DatabaseSession
from app.web.pages.rendering import render
from app.web.pages.sweep.summary import SweepSummary
from app.web.pages.sweep_list import filters
from app.web.pages.sweep_list.filters import SWEEPS_A_PAGE, Chip, Column, ListQuery

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class SweepListView:
    """One page of the sweeps that the query string asks for."""

    query: ListQuery
    page: SweepPage
    rows: Sequence[SweepSummary]
    tags: Sequence[str]
    """Those that the list can be narrowed to; tasks and data sets likewise."""
    tasks: Sequence[str]
    datasets: Sequence[str]
    no_worker: bool
    """Whether something waits and nobody is there to train it."""
    events: str = "/api/v1/events"

    @property
    def address(self) -> str:
        """This page of the list."""
        return self.query.address

    @property
    def is_empty(self) -> bool:
        """Whether there is no sweep at all."""
        return not self.page.total and not self.query.narrows

    @property
    def chips(self) -> list[Chip]:
        """The states to narrow it to, with their counts."""
        return list(filters.chips(self.query, self.page.counts))

    @property
    def columns(self) -> list[Column]:
        """The columns to sort it by."""
        return list(filters.columns(self.query))

    @property
    def position(self) -> str:
        """`26 to 50 of 10,000`."""
        first = self.query.skip + 1
        return f"{first:,} to {first + len(self.rows) - 1:,} of {self.page.total:,}" if self.rows else "none here"

    @property
    def last_page(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.page.total // SWEEPS_A_PAGE))


@router.get("/")
def list_sweeps(request: Request, session: DatabaseSession, query: Annotated[ListQuery, Depends()]) -> Response:
    """The sweeps that the query string asks for, in its order."""
    answer = render(request, "sweep_list/page.html", _view(session, query))
    answer.headers["HX-Replace-Url"] = query.address  # without the fields of the form that are empty
    return answer


def _view(session: Session, query: ListQuery) -> SweepListView:
    page = sweep_search.search(session, query.filter, query.order_by, limit=SWEEPS_A_PAGE, skip=query.skip)
    units = {name: info.unit for name, info in datasets.catalogue(session).items()}
    rows = [SweepSummary(sweep, units.get(sweep.dataset, "")) for sweep in page.sweeps]
    return SweepListView(
        query=query,
        page=page,
        rows=rows,
        tags=queries.tags(session),
        tasks=sweep_search.used_values(session, "task"),
        datasets=sweep_search.used_values(session, "dataset"),
        no_worker=not all(row.ended for row in rows) and not live_workers(session),
    )

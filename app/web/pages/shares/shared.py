"""What a shared link answers, and all that it answers: one sweep's or one run's page, charts, trials and report."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app import queries, schemas
from app.access import shares
from app.access.shares import PLACE
from app.charts.page import Fact
from app.db import datasets
from app.db.engine import transaction
from app.db.tables import Share
from app.domain.datasets import DatasetInfo
from app.domain.space import parse_space
from app.errors import NotFoundError
from app.exercises.exercise import Exercise
from app.exercises.registry import exercise
from app.sweeps.exercises import reports, results, runs
from app.sweeps.exercises.results import RunView
from app.web.api import charts, exercises
from app.web.api.charts import Format
from app.web.api.events import STREAM_PLACE, stream
from app.web.dependencies import DatabaseSession
from app.web.pages.rendering import ChartPanel, PageLink, render
from app.web.pages.sweep.summary import SweepSummary
from app.web.pages.sweep.trial_table import TRIALS_A_PAGE, TrialQuery, TrialTable
from app.web.security.drawings import DRAWING_PLACE

router = APIRouter(include_in_schema=False, prefix=f"{PLACE}{{token}}")

After = Annotated[int | None, Query(ge=0, le=2**62)]


def _share(token: Annotated[str, Path(max_length=100)], session: DatabaseSession) -> Share:
    return shares.find(session, token)


SharedLink = Annotated[Share, Depends(_share)]


@dataclass(frozen=True)
class SharedSweepView:
    """A sweep as its link shows it."""

    summary: SweepSummary
    dataset: DatasetInfo
    table: TrialTable

    @property
    def path(self) -> str:
        """The link without its host."""
        return self.table.link.path

    @property
    def address(self) -> str:
        """The page as it is."""
        return self.table.link.to(after=self.table.query.skip or "")

    @property
    def events(self) -> str:
        """Where the browser hears of changes."""
        return f"{self.path}/events"

    @property
    def charts(self) -> list[ChartPanel]:
        """The charts that have something to show."""
        sweep, names = self.summary.sweep, self.table.varied
        panels = []
        if (sweep.counts.complete or sweep.counts.pruned) and names:
            query = urlencode({"x": names[0]})
            panels.append(self._chart(f"effect?{query}", "Value against a hyperparameter", is_wide=True))
        if sweep.counts.complete or sweep.counts.pruned:
            panels.append(self._chart("history", "Best value by trial"))
        if sweep.epochs.done and not self.summary.task.is_timing:
            panels.append(self._chart("curves", "Learning curves"))
        if sweep.counts.complete and len(names) > 1:
            panels.append(self._chart("parallel_coordinates", "All hyperparameters side by side", is_wide=True))
        return panels

    def _chart(self, address: str, title: str, *, is_wide: bool = False) -> ChartPanel:
        return ChartPanel(address.partition("?")[0], f"{self.path}/charts/{address}", title, is_wide)


@dataclass(frozen=True)
class SharedRunView:
    """A run of an exercise as its link shows it."""

    exercise: Exercise
    run: RunView
    revision: str
    provenance: list[Fact]
    address: str

    @property
    def events(self) -> str:
        """Where the browser hears of changes."""
        return f"{self.address}/events"

    @property
    def charts(self) -> list[ChartPanel]:
        """The charts, once there may be something to show."""
        if not (self.run.progress > 0 or self.run.answer.findings):
            return []
        return [
            ChartPanel(f"chart-{chart.name}", f"{self.address}/charts/{chart.name}", chart.title, position == 0)
            for position, chart in enumerate(self.exercise.charts)
        ]


@router.get("")
def show_shared(request: Request, share: SharedLink, session: DatabaseSession, after: After = None) -> Response:
    """The sweep or the run as it stands."""
    path = request.url.path
    if share.sweep_id is None:
        return render(request, "shares/run.html", _run_view(session, share, path))
    sweep = queries.summary(session, share.sweep_id)
    dataset, query = datasets.get(session, sweep.dataset), TrialQuery(after=after)
    order_by = query.order(sweep.objective.direction)
    trials = queries.list_configurations(session, sweep.id, order_by=order_by, limit=TRIALS_A_PAGE, skip=query.skip)
    varied = list(parse_space(sweep.space, sweep.task).free())
    table = TrialTable(sweep, trials, dataset.target, varied, query, PageLink(path, {}))
    return render(request, "shares/sweep.html", SharedSweepView(SweepSummary(sweep, dataset.unit), dataset, table))


@router.get("/charts/{name}", response_model=dict[str, Any], dependencies=[DRAWING_PLACE])
def get_shared_chart(
    share: SharedLink,
    name: str,
    request: Request,
    session: DatabaseSession,
    format: Format = "json",
    include_excluded: bool = False,
) -> Response:
    """A chart of it, with the options that it has in the API."""
    if share.sweep_id is not None:
        return charts.chart_response(
            share.sweep_id, name, request, session, format, include_excluded, names_hosts=False
        )
    return exercises.run_chart(request, session, shares.run_of(session, share), name, format, names_hosts=False)


@router.get("/trials")
def list_shared_trials(
    share: SharedLink,
    session: DatabaseSession,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: After = None,
) -> schemas.Page[schemas.TrialOut]:
    """The trials of a sweep with their runs, without the names of machines and without people's notes."""
    page = queries.list_trials(session, _sweep_id(share), limit=limit, after=after)
    return page.model_copy(update={"items": [_for_strangers(trial) for trial in page.items]})


@router.get("/report.html", dependencies=[DRAWING_PLACE])
def get_shared_report(share: SharedLink, session: DatabaseSession) -> HTMLResponse:
    """The report of a run: a page that stands alone."""
    if share.exercise_run_id is None:
        raise NotFoundError("A sweep has no report; its charts stand alone with `?format=html`.")
    return HTMLResponse(reports.report(session, shares.run_of(session, share), names_hosts=False))


def _shared_sweeps(share: SharedLink, session: DatabaseSession) -> set[int]:
    """The sweeps of which the link tells, looked up before the stream starts."""
    if share.sweep_id is not None:
        return {share.sweep_id}
    return {sweep.id for sweep in runs.sweeps_of(session, shares.run_of(session, share))}


@router.get("/events", response_class=EventSourceResponse, dependencies=[STREAM_PLACE])
async def shared_events(
    token: str, sweep_ids: Annotated[set[int], Depends(_shared_sweeps)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The events of this sweep or this run alone, as long as the link is valid."""
    async for event in stream(request.app.state.broadcaster, sweep_ids):
        if not await run_in_threadpool(_is_valid, request.app.state.engine, token):
            return
        yield event


def _is_valid(engine: Engine, token: str) -> bool:
    try:
        with transaction(engine) as session:
            shares.find(session, token)
    except NotFoundError:
        return False
    return True


def _for_strangers(trial: schemas.TrialOut) -> schemas.TrialOut:
    circumstances = trial.circumstances and trial.circumstances.model_copy(update={"host": ""})
    return trial.model_copy(update={"circumstances": circumstances, "note": ""})


def _sweep_id(share: Share) -> int:
    """Raises NotFoundError for the link of a run."""
    if share.sweep_id is None:
        raise NotFoundError("This link shows a run of an exercise, not a sweep.")
    return share.sweep_id


def _run_view(session: Session, share: Share, path: str) -> SharedRunView:
    run = shares.run_of(session, share)
    return SharedRunView(
        exercise=exercise(run.exercise),
        run=results.view(session, run),
        revision=results.revision(session, run),
        provenance=reports.provenance(session, run, names_hosts=False),
        address=path,
    )

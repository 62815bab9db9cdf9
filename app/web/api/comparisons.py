"""Several sweeps side by side, and the chart of their progress."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import plotly.graph_objects as go
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.charts import registry
from app.charts.empty import empty_figure
from app.charts.overview.edf import EdfData, compared_edf_data, edf_figure
from app.charts.progress.comparison import ComparedSweep, comparison_figure, sweep_label
from app.charts.progress.regret import RegretOptions, Spent, regret_data
from app.db.tables import Sweep
from app.errors import FieldError, InvalidError
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queries.totals import count_trials
from app.schemas.comparisons import Comparison
from app.sweeps.comparison import MOST_SWEEPS, compare
from app.web.api.charts import etag_of, is_unchanged
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems
from app.web.security.drawings import DRAWING_PLACE

router = APIRouter(prefix="/api/v1/compare", tags=["sweeps"])


def _parse_ids(
    sweeps: Annotated[
        str, Query(max_length=200, description=f"Numbers of 2 to {MOST_SWEEPS} sweeps, e.g. `3,5`.", examples=["3,5"])
    ],
) -> list[int]:
    """The numbers, each once. Raises InvalidError."""
    words = [word.strip() for word in sweeps.split(",")]
    ids = [int(word) for word in dict.fromkeys(words) if word.isascii() and word.isdecimal() and len(word) < 19]
    if len(ids) != len(set(words)) or not 2 <= len(ids) <= MOST_SWEEPS or 0 in ids:
        right = f"must be the numbers of 2 to {MOST_SWEEPS} sweeps, as in 3,5"
        raise InvalidError(f"The query parameter sweeps {right}.", [FieldError(("query", "sweeps"), right)])
    return ids


ComparedIds = Annotated[list[int], Depends(_parse_ids)]


@router.get("", responses=problems(404))
def compare_sweeps(ids: ComparedIds, session: DatabaseSession) -> Comparison:
    """Sweeps side by side: what differs in their setup, and their best configurations where these can be compared."""
    return compare(session, ids)


@router.get("/charts/regret", responses=problems(404), response_model=dict[str, Any], dependencies=[DRAWING_PLACE])
def chart_progress(
    ids: ComparedIds,
    request: Request,
    session: DatabaseSession,
    x: Annotated[Spent, Query(description="What was spent.")] = "seconds",
) -> Response:
    """A plotly figure: the best single trial so far of each sweep, against seconds, epochs trained or trials.

    Sweeps whose values can't be compared are not drawn, and the figure says so. The `ETag` tells the revisions.
    """
    return _figure(ids, request, session, lambda sweeps: comparison_figure(_progress(session, sweeps, x), x))


@router.get("/charts/edf", responses=problems(404), response_model=dict[str, Any], dependencies=[DRAWING_PLACE])
def chart_distributions(ids: ComparedIds, request: Request, session: DatabaseSession) -> Response:
    """A plotly figure: the share of each sweep's configurations that are at least as good as each value.

    Sweeps whose values can't be compared are not drawn, and the figure says so. The `ETag` tells the revisions.
    """
    return _figure(ids, request, session, lambda sweeps: edf_figure(_distributions(session, sweeps)))


def _figure(
    ids: Sequence[int], request: Request, session: Session, draw: Callable[[Sequence[Sweep]], go.Figure]
) -> Response:
    """What is drawn of these sweeps, or 304 where the client has it."""
    sweeps = [sweep_row.get(session, sweep_id) for sweep_id in ids]
    etag = etag_of("compare", *(f"{sweep.id}-{sweep.revision}" for sweep in sweeps))
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if is_unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    if compare(session, ids).not_comparable:
        figure = empty_figure("Values of these sweeps can't be compared")
    else:
        with request.app.state.drawings.one_of(count_trials(session, ids)):
            figure = draw(sweeps)
    return Response(str(figure.to_json()), media_type="application/json", headers=headers)


def _progress(session: Session, sweeps: Sequence[Sweep], x: Spent) -> list[ComparedSweep]:
    chart = registry.chart("regret")
    rows = [(sweep, chart_rows.chart_rows(session, sweep, chart, {"x": x})) for sweep in sweeps]
    return [
        ComparedSweep(sweep.id, sweep.name, regret_data(row, trials, RegretOptions(x)))
        for sweep, (row, trials, _) in rows
    ]


def _distributions(session: Session, sweeps: Sequence[Sweep]) -> EdfData:
    rows = [(sweep, chart_rows.chart_rows(session, sweep, registry.chart("edf"))) for sweep in sweeps]
    return compared_edf_data([(sweep_label(sweep.id, sweep.name), row, trials) for sweep, (row, trials, _) in rows])

"""Charts of a sweep: plotly figures as JSON, or as a page that stands alone."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import plotly.graph_objects as go
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app import schemas
from app.charts.page import page
from app.charts.registry import CHARTS, chart
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.web.api.sweeps import SweepId
from app.web.dependencies import DatabaseSession, known_query, problems

router = APIRouter(prefix="/api/v1/sweeps/{sweep_id}/charts", tags=["charts"])

ChartName = Annotated[str, Path(description="One of the list of charts.")]
Format = Annotated[Literal["json", "html"], Query(description="json for plotly, html for a page that stands alone.")]


@router.get("", responses=problems(404), dependencies=[Depends(known_query)])
def list_charts(sweep_id: SweepId, session: DatabaseSession) -> schemas.Page[schemas.ChartOut]:
    """The charts that this sweep has."""
    sweep = chart_rows.sweep_row(sweep_row.get(session, sweep_id))
    base = f"/api/v1/sweeps/{sweep_id}/charts"
    suiting = [name for name, one in CHARTS.items() if one.suits(sweep)]
    return schemas.Page(items=[schemas.ChartOut(name=name, url=f"{base}/{name}") for name in suiting])


@router.get("/{name}", responses=problems(404), response_model=dict[str, Any])
def get_chart(
    sweep_id: SweepId,
    name: ChartName,
    request: Request,
    session: DatabaseSession,
    format: Format = "json",
    include_excluded: Annotated[bool, Query(description="Also trials that were excluded.")] = False,
) -> Response:
    """The chart with the options of the query string, e.g. `effect?x=hidden_units&color=activation`.

    The `ETag` is the sweep's revision: send it as `If-None-Match` and 304 says that nothing changed.
    """
    wanted = chart(name)
    sweep = sweep_row.get(session, sweep_id)
    etag = f'"{sweep.id}.{sweep.revision}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    lens = {"include_excluded": include_excluded}
    options = {key: value for key, value in request.query_params.items() if key not in {"format", *lens}}

    def draw() -> go.Figure:
        return wanted.figure(*chart_rows.chart_rows(session, sweep, wanted.needs, **lens), options)

    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if format == "json":  # a figure of thousands of trials takes a while: it is drawn once for all who watch
        key = (etag, name, include_excluded, *sorted(options.items()))
        drawn = request.app.state.drawn.get(key, lambda: str(draw().to_json()))
        return Response(drawn, media_type="application/json", headers=headers)
    return figure_response(
        draw(), format, {"title": f"{sweep.name}: {wanted.title}", "text": wanted.description}, headers
    )


def figure_response(
    figure: go.Figure, format: str, words: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Response:
    """The figure as plotly's JSON or as a whole page."""
    if format == "html":
        return Response(page(words["title"], words["text"], [figure]), media_type="text/html", headers=headers)
    return Response(figure.to_json(), media_type="application/json", headers=headers)

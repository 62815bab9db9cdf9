"""Charts of a sweep: plotly figures as JSON, as pictures, or as a page that stands alone."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

import plotly.graph_objects as go
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app import schemas
from app.charts import registry
from app.charts.lens import divide, parse_lens
from app.charts.page import Fact, Section, page
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queries.provenance import sweep_provenance
from app.queries.totals import count_trials
from app.web.dependencies import DatabaseSession, SweepId, refuse_unknown_parameters
from app.web.error_handlers import problems
from app.web.security.drawings import DRAWING_PLACE

PICTURES = {"png": "image/png", "svg": "image/svg+xml"}

router = APIRouter(prefix="/api/v1/sweeps/{sweep_id}/charts", tags=["charts"])

ChartName = Annotated[str, Path(description="One of the list of charts.")]
Format = Annotated[
    Literal["json", "html", "png", "svg"],
    Query(description="json for plotly, html for a page that stands alone, png and svg for pictures in light colours."),
]


@router.get("", responses=problems(404), dependencies=[Depends(refuse_unknown_parameters)])
def list_charts(sweep_id: SweepId, session: DatabaseSession) -> schemas.Page[schemas.ChartOut]:
    """The charts that this sweep has."""
    sweep = chart_rows.chart_sweep(sweep_row.get(session, sweep_id))
    base = f"/api/v1/sweeps/{sweep_id}/charts"
    names = [name for name, chart in registry.CHARTS.items() if chart.suits(sweep)]
    return schemas.Page(items=[schemas.ChartOut(name=name, url=f"{base}/{name}") for name in names])


@router.get("/{name}", responses=problems(404), response_model=dict[str, Any], dependencies=[DRAWING_PLACE])
def get_chart(
    sweep_id: SweepId,
    name: ChartName,
    request: Request,
    session: DatabaseSession,
    format: Format = "json",
    include_excluded: Annotated[bool, Query(description="Also trials that were excluded.")] = False,
) -> Response:
    """The chart with the options of the query string, e.g. `effect?x=hidden_units&color=activation`.

    Every chart takes a lens too: `metric=last|best|mean_last=k|at_epoch=n`, `state=complete,pruned`, `top=20` (in per
    cent), `where=depth=1,learning_rate<0.1,activation=relu|tanh`, `robust=true`, and of a sweep with several objectives
    `objective=parameters`, where it shows one value of each trial.

    The `ETag` tells the sweep's revision: send it as `If-None-Match` and 304 says that nothing changed.
    """
    return chart_response(sweep_id, name, request, session, format, include_excluded)


def chart_response(
    sweep_id: int,
    name: str,
    request: Request,
    session: Session,
    format: Format,
    include_excluded: bool,
    *,
    names_hosts: bool = True,
) -> Response:
    """The chart of this request, or 304 where the client has it; without `names_hosts` its workers have numbers."""
    chart = registry.chart(name)
    sweep = sweep_row.get(session, sweep_id)
    etag = etag_of(sweep.id, sweep.revision)
    request.state.revision = sweep.revision
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    parameters = {
        key: value for key, value in request.query_params.items() if key not in {"format", "include_excluded"}
    }

    def draw() -> go.Figure:
        lens_options, options = divide(parameters)
        lens = parse_lens(chart_rows.chart_sweep(sweep), lens_options)
        with request.app.state.drawings.one_of(count_trials(session, [sweep.id])):
            rows = chart_rows.chart_rows(
                session, sweep, chart, options, lens=lens, include_excluded=include_excluded, names_hosts=names_hosts
            )
            return chart.figure(*rows, options, robust=lens.robust)

    if format == "json":  # a figure of thousands of trials takes a while: it is drawn once for all who watch
        key = (etag, name, include_excluded, names_hosts, *sorted(parameters.items()))
        text = request.app.state.answer_cache.get_or_make(key, lambda: str(draw().to_json()))
        return Response(text, media_type="application/json", headers=_revalidated(etag))
    facts = sweep_provenance(session, sweep, names_hosts=names_hosts)
    title = f"{sweep.name}: {chart.title}"
    return figure_response(draw(), format, etag, title=title, description=chart.description, provenance=facts)


def etag_of(*parts: object) -> str:
    """An ETag of these parts and of the program's version: another version may draw the same rows in another way."""
    return f'"{".".join(map(str, (version("perceptune"), *parts)))}"'


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the client has this version already."""
    return etag in request.headers.get("if-none-match", "")


def figure_response(
    figure: go.Figure, format: str, etag: str, *, title: str, description: str, provenance: Sequence[Fact]
) -> Response:
    """The figure as plotly's JSON, as a picture, or as a page with its title and description, and where it is from."""
    if format in PICTURES:
        from app.charts.pictures import picture  # matplotlib takes half a second to read in

        image = picture(figure, "png" if format == "png" else "svg")
        return Response(image, media_type=PICTURES[format], headers=_revalidated(etag))
    if format == "html":
        html = page(title, [Section(title, description, figures=[figure], provenance=provenance)])
        return Response(html, media_type="text/html", headers=_revalidated(etag))
    return Response(figure.to_json(), media_type="application/json", headers=_revalidated(etag))


def _revalidated(etag: str) -> dict[str, str]:
    """Headers that let a client keep an answer and make it ask before each use whether that has changed."""
    return {"ETag": etag, "Cache-Control": "no-cache"}

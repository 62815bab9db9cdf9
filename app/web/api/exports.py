"""Downloads of a sweep as CSV, Parquet or JSON."""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Engine

from app.charts.lens import parse_lens
from app.db.tables import Sweep
from app.domain.body import Matching
from app.files.exports import EVERYTHING, FORMATS, Choice, open_sweep
from app.lifecycle import sweep_row
from app.queries.chart_rows import chart_sweep
from app.web.dependencies import DatabaseSession, SweepId
from app.web.downloads import Download, Downloads
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps", tags=["exports"])

PIECE_BYTES = 64 * 2**10

ChosenTrials = Annotated[
    Annotated[str, Matching(r"[0-9]{1,9}(,[0-9]{1,9})*", "numbers of trials with commas between them")] | None,
    Query(
        max_length=10_000,
        description="Only trials of these numbers, with commas between them.",
        examples=["3,5,8"],
    ),
]
Epochs = Annotated[bool, Query(description="Learning curves too.")]


@dataclass(frozen=True)
class ExportLens:
    """Which trials a file holds; without any of these all of them. What it leaves out stands in its header."""

    metric: Annotated[
        str,
        Query(
            description="best, mean_last=k or at_epoch=n: values through the lens too, as `lens_value` and `lens_std`."
        ),
    ] = ""
    objective: Annotated[
        str, Query(description="Another of several objectives: its values, in the same way, and `top` by them.")
    ] = ""
    state: Annotated[str, Query(description="Only trials in these states, e.g. complete,pruned.")] = ""
    top: Annotated[str, Query(description="Only the best, in per cent.")] = ""
    where: Annotated[str, Query(description="Only trials of which this holds, e.g. depth=1,learning_rate<0.1.")] = ""
    include_excluded: Annotated[bool, Query(description="Also trials that were excluded.")] = True
    trials: ChosenTrials = None

    def choice(self, sweep: Sweep) -> Choice:
        """Which trials of this sweep. Raises InvalidError, which says what would be right."""
        names = ("objective", "metric", "state", "top", "where")
        query = {name: getattr(self, name) for name in names}
        lens = parse_lens(chart_sweep(sweep), query)
        numbers = None if self.trials is None else [*map(int, self.trials.split(","))]
        choice = Choice(lens, self.include_excluded, numbers)
        choice.check(sweep)
        return choice


ExportChoice = Annotated[ExportLens, Depends()]


def _existing_sweep(sweep_id: SweepId, session: DatabaseSession) -> Sweep:
    """The sweep, looked up before the answer begins, so that an unknown one is 404."""
    return sweep_row.get(session, sweep_id)


ExistingSweep = Annotated[Sweep, Depends(_existing_sweep)]


def _file_responses(media_type: str) -> dict[int | str, dict[str, Any]]:
    """How the OpenAPI document shows a download."""
    schema = {"type": "object"} if media_type == "application/json" else {"type": "string", "format": "binary"}
    return {200: {"description": "The file.", "content": {media_type: {"schema": schema}}}, **problems(404)}


@router.get("/{sweep_id}/export.csv", response_class=Response, responses=_file_responses("text/csv"))
def export_csv(sweep: ExistingSweep, request: Request, lens: ExportChoice, epochs: Epochs = False) -> Response:
    """Every trial as a row of CSV, every hyperparameter as a column; with `epochs` a row an epoch."""
    return _download(request, sweep, "csv", epochs, lens.choice(sweep))


@router.get(
    "/{sweep_id}/export.parquet", response_class=Response, responses=_file_responses("application/vnd.apache.parquet")
)
def export_parquet(sweep: ExistingSweep, request: Request, lens: ExportChoice, epochs: Epochs = False) -> Response:
    """The same table as Parquet, with typed columns."""
    return _download(request, sweep, "parquet", epochs, lens.choice(sweep))


@router.get("/{sweep_id}/export.json", response_class=Response, responses=_file_responses("application/json"))
def export_json(sweep: ExistingSweep, request: Request, lens: ExportChoice, epochs: Epochs = True) -> Response:
    """The whole sweep: what was posted, and every trial with its runs, lost attempts, curves and diagnostics."""
    return _download(request, sweep, "json", epochs, lens.choice(sweep))


def _download(request: Request, sweep: Sweep, ending: str, epochs: bool, choice: Choice) -> Response:
    """The file, sent while it is written, under the name of the sweep."""
    ascii_name = re.sub(r"[^A-Za-z0-9_.-]+", "-", sweep.name).strip("-.") or "sweep"
    exact_name = quote(f"{sweep.name}.{ending}", safe="")
    disposition = f"attachment; filename=\"{ascii_name}.{ending}\"; filename*=UTF-8''{exact_name}"
    downloads: Downloads = request.app.state.downloads
    return Download(
        downloads,
        lambda: file_pieces(downloads.engine, sweep.id, ending, epochs, choice),
        media_type=FORMATS[ending].MEDIA_TYPE,
        headers={"Content-Disposition": disposition},
    )


def file_pieces(
    engine: Engine, sweep_id: int, ending: str, epochs: bool, choice: Choice = EVERYTHING
) -> Generator[bytes]:
    """The file in pieces of at least PIECE_BYTES, so that each is worth a turn of the server's event loop."""
    with_diagnostics = epochs and ending == "json"
    with (
        open_sweep(engine, sweep_id, epochs=epochs, diagnostics=with_diagnostics, choice=choice) as record,
        closing(FORMATS[ending].write(record)) as pieces,
    ):
        buffer, size = [], 0
        for piece in pieces:
            buffer.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                yield b"".join(buffer)
                buffer, size = [], 0
        yield b"".join(buffer)

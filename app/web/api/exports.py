"""Sweeps as files over HTTP, and their webhooks' deliveries."""

import re
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy import Engine
from starlette.datastructures import UploadFile

from app import queries, schemas
from app.db.tables import Sweep
from app.errors import FieldError, InvalidError, TooLargeError
from app.files import imports
from app.files.exports import FORMATS, opened
from app.lifecycle import sweep_row
from app.web.api.sweeps import SweepId
from app.web.dependencies import Cursor, DatabaseSession, Limit, problems
from app.web.webhooks import delivery

router = APIRouter(prefix="/api/v1/sweeps", tags=["exports"])
pages = APIRouter(include_in_schema=False)

MAX_IMPORT_BYTES = 256 * 2**20
PIECE_BYTES = 64 * 2**10
IN_MEMORY_BYTES = 2**20
_NOT_LIMITED = 2**62  # by the framework, which would answer in plain text; `_limited` does it

Epochs = Annotated[bool, Query(description="Learning curves too.")]
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def _existing(sweep_id: SweepId, session: DatabaseSession) -> Sweep:
    """The sweep, looked up before the answer begins, so that an unknown one is 404."""
    return sweep_row.get(session, sweep_id)


ExistingSweep = Annotated[Sweep, Depends(_existing)]


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    schema = BINARY if media_type != "application/json" else {"type": "object"}
    return {200: {"description": "The file.", "content": {media_type: {"schema": schema}}}, **problems(404)}


@router.get("/{sweep_id}/export.csv", response_class=Response, responses=_file("text/csv"))
def export_csv(sweep: ExistingSweep, request: Request, epochs: Epochs = False) -> Response:
    """Every trial as a row of CSV, every hyperparameter as a column; with `epochs` a row an epoch."""
    return _export(request, sweep, "csv", epochs)


@router.get("/{sweep_id}/export.parquet", response_class=Response, responses=_file("application/vnd.apache.parquet"))
def export_parquet(sweep: ExistingSweep, request: Request, epochs: Epochs = False) -> Response:
    """The same table as Parquet, with typed columns."""
    return _export(request, sweep, "parquet", epochs)


@router.get("/{sweep_id}/export.json", response_class=Response, responses=_file("application/json"))
def export_json(sweep: ExistingSweep, request: Request, epochs: Epochs = True) -> Response:
    """The whole sweep: what was posted, and every trial with its runs, lost attempts and learning curves."""
    return _export(request, sweep, "json", epochs)


def _export(request: Request, sweep: Sweep, ending: str, epochs: bool) -> Response:
    ascii_name = re.sub(r"[^A-Za-z0-9_.-]+", "-", sweep.name).strip("-.") or "sweep"
    exact = quote(f"{sweep.name}.{ending}", safe="")
    return StreamingResponse(
        _pieces(request.app.state.engine, sweep.id, ending, epochs),
        media_type=FORMATS[ending].MEDIA_TYPE,
        headers={"Content-Disposition": f"attachment; filename=\"{ascii_name}.{ending}\"; filename*=UTF-8''{exact}"},
    )


def _pieces(engine: Engine, sweep_id: int, ending: str, epochs: bool) -> Iterator[bytes]:
    """The file in pieces of a size that is worth a turn of the server's loop."""
    with opened(engine, sweep_id, epochs=epochs) as record:
        waiting, size = [], 0
        for piece in FORMATS[ending].write(record):
            waiting.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)


async def _received(request: Request) -> AsyncIterator[IO[bytes]]:
    """The body in a file. Raises TooLargeError."""
    _refuse_large(int(request.headers.get("content-length") or 0))
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            _refuse_large(size)
            file.write(piece)
        file.seek(0)
        yield file


def _refuse_large(size: int) -> None:
    if size > MAX_IMPORT_BYTES:
        most = f"{MAX_IMPORT_BYTES // 2**20} MiB"
        raise TooLargeError(f"An import may have at most {most}: export the sweep as Parquet, or without its epochs.")


@router.post(
    "/import",
    status_code=201,
    responses=problems(413),
    max_body_size=_NOT_LIMITED,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": {"format": {"const": "perceptune.sweep"}}}
                },
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {"schema": BINARY},
            },
        }
    },
)
def import_sweep(
    file: Annotated[IO[bytes], Depends(_received)], session: DatabaseSession, response: Response
) -> schemas.SweepOut:
    """Restores an exported sweep, in any of the three formats, as a new one; what is wrong or lost in it is 422.

    Trials that waited or ran wait again, and a sweep that had not ended is paused.
    """
    sweep = imports.restore(session, imports.parsed(file))
    response.headers["Location"] = f"/api/v1/sweeps/{sweep.id}"
    return queries.summary(session, sweep.id)


@router.get("/{sweep_id}/deliveries", responses=problems(404))
def list_deliveries(
    sweep_id: SweepId, session: DatabaseSession, limit: Limit = 100, after: Cursor = None
) -> schemas.Page[schemas.DeliveryOut]:
    """What the sweep's webhook was told and is still to be told, the newest first, with the last error of each."""
    return delivery.deliveries(session, sweep_id, limit, after)


async def _uploaded(request: Request) -> AsyncIterator[IO[bytes]]:
    """The file of a posted form. Raises TooLargeError."""
    # a browser says how long the form is, and the server reads no more than that
    _refuse_large(int(request.headers.get("content-length") or MAX_IMPORT_BYTES + 1))
    async with request.form(max_files=1, max_fields=1) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InvalidError("Choose a file to import.", [FieldError(("file",), "is missing")])
        yield upload.file


@pages.post("/sweeps/import", max_body_size=_NOT_LIMITED)
def import_from_form(file: Annotated[IO[bytes], Depends(_uploaded)], session: DatabaseSession) -> Response:
    """Restores the file's sweep and goes to it."""
    sweep = imports.restore(session, imports.parsed(file))
    return RedirectResponse(f"/sweeps/{sweep.id}", status_code=303)

"""Uploads of an exported sweep, as a request's body or through the dashboard's form."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from app import queries, schemas
from app.db.engine import transaction
from app.files import imports
from app.web.dependencies import caller_name
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps", tags=["exports"])
form_router = APIRouter(include_in_schema=False)

MAX_IMPORT_BYTES = 256 * 2**20
_UNLIMITED = 2**62  # the framework's own limit answers in plain text; an upload says it as a problem

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": {"type": "object", "properties": {"format": {"const": "perceptune.sweep"}}}},
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    },
}


def _too_large() -> str:
    limit = f"{MAX_IMPORT_BYTES // 2**20} MiB"
    return f"An import may have at most {limit}: export the sweep as Parquet, or without its epochs."


async def _body_path(request: Request) -> AsyncIterator[str]:
    async with request.app.state.uploads.body(request, MAX_IMPORT_BYTES, _too_large()) as path:
        yield path


async def _form_path(request: Request) -> AsyncIterator[str]:
    async with request.app.state.uploads.form(request, MAX_IMPORT_BYTES, _too_large()) as path:
        yield path


@router.post(
    "/import",
    status_code=201,
    responses=problems(413),
    max_body_size=_UNLIMITED,
    openapi_extra={"requestBody": _BODY},
)
async def import_sweep(
    path: Annotated[str, Depends(_body_path, scope="function")], request: Request, response: Response
) -> schemas.SweepOut:
    """Restores an exported sweep, in any of the three formats, as a new one; what is wrong or lost in it is 422.

    Trials that waited or ran wait again, and a sweep that had not ended is paused.
    """
    sweep_id = await _import(request, path)
    response.headers["Location"] = f"/api/v1/sweeps/{sweep_id}"
    return await run_in_threadpool(_summary, request.app.state.engine, sweep_id)


@form_router.post("/sweeps/import", max_body_size=_UNLIMITED)
async def import_from_form(path: Annotated[str, Depends(_form_path, scope="function")], request: Request) -> Response:
    """Restores the file's sweep and goes to its page."""
    return RedirectResponse(f"/sweeps/{await _import(request, path)}", status_code=303)


async def _import(request: Request, path: str) -> int:
    """The number of the sweep that a child process has restored from the file."""
    engine: Engine = request.app.state.engine
    database_url = engine.url.render_as_string(hide_password=False)
    arguments = (path, database_url, caller_name(request))
    sweep_id: int = await request.app.state.uploads.read(request, imports.restore_file, *arguments)
    return sweep_id


def _summary(engine: Engine, sweep_id: int) -> schemas.SweepOut:
    with transaction(engine) as session:
        return queries.summary(session, sweep_id)

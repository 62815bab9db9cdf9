"""The data sets that a sweep can name: listed, looked at, stored from a file, and deleted."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from app import queries, schemas
from app.db import datasets
from app.db.engine import transaction
from app.domain.tables.limits import MAX_UPLOAD_BYTES
from app.domain.tables.options import TableOptions
from app.files.tables import storing
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])

TOO_LARGE = f"A file may have at most {MAX_UPLOAD_BYTES // 2**20:,} MiB: send fewer rows, or as .csv.gz or Parquet."
_UNLIMITED = 2**62  # the framework's own limit answers in plain text; an upload says it as a problem
_FILE: dict[str, Any] = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("application/octet-stream", "text/csv", "application/vnd.apache.parquet")
    },
}


async def _body_path(request: Request) -> AsyncIterator[str]:
    async with request.app.state.uploads.body(request, MAX_UPLOAD_BYTES, TOO_LARGE) as path:
        yield path


UploadedFile = Annotated[str, Depends(_body_path, scope="function")]


@router.get("")
def list_datasets(session: DatabaseSession) -> schemas.Page[schemas.DatasetOut]:
    """The data sets that a sweep can name."""
    infos = datasets.catalogue(session).values()
    return schemas.Page(items=[schemas.DatasetOut.model_validate(info) for info in infos])


@router.post("/preview", responses=problems(413), max_body_size=_UNLIMITED, openapi_extra={"requestBody": _FILE})
async def preview_dataset(
    path: UploadedFile, options: Annotated[TableOptions, Query()], request: Request
) -> schemas.DatasetPreview:
    """What would become of the columns of a file; nothing is stored.

    It is CSV, also .gz, Parquet, .npz, .npy, or a .zip of IDX files.
    """
    return schemas.DatasetPreview.model_validate(
        await request.app.state.uploads.read(
            request, storing.preview_file, path, options.model_dump(), limits=storing.LIMITS
        )
    )


@router.post(
    "",
    status_code=201,
    responses=problems(409, 413),
    max_body_size=_UNLIMITED,
    openapi_extra={"requestBody": _FILE},
)
async def store_dataset(
    path: UploadedFile, options: Annotated[schemas.UploadOptions, Query()], request: Request, response: Response
) -> schemas.DatasetDetail:
    """Stores the data set in a file, which sweeps then name; all of it, or nothing.

    The same file under the same name once more changes nothing (200).
    """
    engine: Engine = request.app.state.engine
    database_url = engine.url.render_as_string(hide_password=False)
    table_options = options.model_dump(include=set(TableOptions.model_fields))
    store = partial(storing.store_file, reuse=options.reuse)
    arguments = (path, table_options, options.name, options.source, database_url)
    stored_dataset = await request.app.state.uploads.read(request, store, *arguments, limits=storing.LIMITS)
    if not stored_dataset["is_new"]:
        response.status_code = 200
    response.headers["Location"] = f"/api/v1/datasets/{stored_dataset['name']}"
    return await run_in_threadpool(_detail, engine, stored_dataset["name"])


@router.get("/{name}", responses=problems(404))
def get_dataset(name: str, session: DatabaseSession) -> schemas.DatasetDetail:
    """A data set, with what was done with each column of its file."""
    return queries.get_dataset(session, name)


@router.delete("/{name}", status_code=204, responses=problems(404, 409))
def delete_dataset(name: str, session: DatabaseSession) -> None:
    """Deletes a stored data set that no sweep is on."""
    datasets.delete(session, name)


def _detail(engine: Engine, name: str) -> schemas.DatasetDetail:
    with transaction(engine) as session:
        return queries.get_dataset(session, name)

"""Uploads of an exported sweep, as a request's body or through the dashboard's form."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from app import queries, schemas
from app.errors import FieldError, InvalidError, TooLargeError
from app.files import imports
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps", tags=["exports"])
form_router = APIRouter(include_in_schema=False)

MAX_IMPORT_BYTES = 256 * 2**20
MAX_BYTES_IN_MEMORY = 2**20  # a larger body is written to a temporary file
_UNLIMITED = 2**62  # the framework's own limit answers in plain text; `_refuse_large` says it as a problem

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": {"type": "object", "properties": {"format": {"const": "perceptune.sweep"}}}},
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    },
}


async def _body_file(request: Request) -> AsyncIterator[IO[bytes]]:
    """The request's body as a file. Raises TooLargeError."""
    _refuse_large(int(request.headers.get("content-length") or 0))
    with SpooledTemporaryFile(MAX_BYTES_IN_MEMORY) as file:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            _refuse_large(size)
            file.write(piece)
        file.seek(0)
        yield file


async def _form_file(request: Request) -> AsyncIterator[IO[bytes]]:
    """The file of a posted form. Raises TooLargeError, and InvalidError where no file was chosen."""
    # a browser says how long the form is, and the server reads no more than that
    _refuse_large(int(request.headers.get("content-length") or MAX_IMPORT_BYTES + 1))
    async with request.form(max_files=1, max_fields=1) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InvalidError("Choose a file to import.", [FieldError(("file",), "is missing")])
        yield upload.file


def _refuse_large(size: int) -> None:
    if size > MAX_IMPORT_BYTES:
        limit = f"{MAX_IMPORT_BYTES // 2**20} MiB"
        raise TooLargeError(f"An import may have at most {limit}: export the sweep as Parquet, or without its epochs.")


@router.post(
    "/import",
    status_code=201,
    responses=problems(413),
    max_body_size=_UNLIMITED,
    openapi_extra={"requestBody": _BODY},
)
def import_sweep(
    file: Annotated[IO[bytes], Depends(_body_file)], session: DatabaseSession, response: Response
) -> schemas.SweepOut:
    """Restores an exported sweep, in any of the three formats, as a new one; what is wrong or lost in it is 422.

    Trials that waited or ran wait again, and a sweep that had not ended is paused.
    """
    sweep = imports.restore(session, imports.parse(file))
    response.headers["Location"] = f"/api/v1/sweeps/{sweep.id}"
    return queries.summary(session, sweep.id)


@form_router.post("/sweeps/import", max_body_size=_UNLIMITED)
def import_from_form(file: Annotated[IO[bytes], Depends(_form_file)], session: DatabaseSession) -> Response:
    """Restores the file's sweep and goes to its page."""
    sweep = imports.restore(session, imports.parse(file))
    return RedirectResponse(f"/sweeps/{sweep.id}", status_code=303)

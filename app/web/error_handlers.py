"""Every error is rendered here, once: application/problem+json, or a page for a browser that asked for one."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from app.errors import FieldError, InvalidError, PerceptuneError, UnavailableError
from app.web.templating import templates

logger = logging.getLogger(__name__)

_INVALID = "The request has fields that can't be used."
_UNREADABLE = "There was an error parsing the body"  # FastAPI's words for what is no text


def install(app: FastAPI) -> None:
    app.state.render_error = render
    app.add_exception_handler(PerceptuneError, lambda request, error: render(request, error))
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(OperationalError, _database_gone)
    app.add_exception_handler(InterfaceError, _database_gone)
    app.add_exception_handler(Exception, _bug)


def render(request: Request, error: PerceptuneError, headers: dict[str, str] | None = None) -> Response:
    """The error as the client wants it."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        problem["errors"] = [{"loc": list(field.loc), "msg": field.msg} for field in error.errors]
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else headers
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        return templates.TemplateResponse(
            request, "error.html", {"problem": problem}, status_code=error.status, headers=headers
        )
    # in ASCII: a name in the body may hold half a surrogate pair, which UTF-8 can't
    return Response(json.dumps(problem), error.status, headers, media_type="application/problem+json")


def _invalid(request: Request, error: RequestValidationError) -> Response:
    return render(request, InvalidError(_INVALID, _fields(error.errors())))


def _fields(found: Sequence[Any]) -> list[FieldError]:
    """Pydantic's findings, with the path of a body's field as the client wrote it, and what would be right."""
    fields = []
    for one in found:
        loc = tuple(one["loc"][1:] if one["loc"][0] == "body" else one["loc"])
        loc = _without_kinds(loc)
        fields.append(FieldError(() if one["type"] == "json_invalid" else loc, _right(one)))
    return fields


def _right(one: Mapping[str, Any]) -> str:
    """What would be right in place of what pydantic found."""
    context, given = one.get("ctx", {}), json.dumps(one["input"], default=str)
    words: dict[str, str] = {
        "missing": "is missing",
        "extra_forbidden": "is unknown; leave it out",
        "literal_error": f"must be {context.get('expected')}, not {given}",
        "none_required": f"must be null, not {given}",
        "union_tag_invalid": f"must be one of {context.get('expected_tags')}, not {context.get('tag')!r}",
        "union_tag_not_found": 'needs a name: write \'tpe\', or {"name": "tpe", ...} with options',
        "json_invalid": f"the body is no JSON: {context.get('error')}",
        "model_attributes_type": "the body must be a JSON object, sent with Content-Type: application/json",
    }
    said = str(one["msg"]).replace("Input should be", "must be").replace("String should have", "must have")
    return words.get(str(one["type"]), said)


def _http(request: Request, error: HTTPException) -> Response:
    """What the framework itself refuses: an unknown path, a method, a body that is no JSON."""
    if error.status_code == 400 and error.detail == _UNREADABLE:
        return render(request, InvalidError(_INVALID, [FieldError((), "the body is no JSON: it is not UTF-8")]))
    known = PerceptuneError(str(error.detail))
    known.status, known.title = error.status_code, HTTPStatus(error.status_code).phrase
    if error.status_code == 404 and error.detail == "Not Found":
        known.detail = f"There is nothing at {request.url.path}."
    return render(request, known, dict(error.headers or {}))


def _database_gone(request: Request, error: Exception) -> Response:
    logger.warning("the database is gone: %s", str(getattr(error, "orig", error)).strip().splitlines()[:1])
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if state.startswith("53"):  # insufficient resources
        return render(request, UnavailableError("The database has no room left: no disk space, memory or connections."))
    return render(request, UnavailableError("The database can't be reached right now; try again in a moment."))


def _bug(request: Request, error: Exception) -> Response:
    logger.error("unexpected error at %s %s", request.method, request.url.path, exc_info=error)
    return render(request, PerceptuneError("This is a bug of the server; its log says more."))


def _without_kinds(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path without the kind of sampler or pruner, which pydantic names behind the field."""
    return tuple(part for before, part in zip((None, *loc), loc, strict=False) if before not in _OF_SEVERAL_KINDS)


_OF_SEVERAL_KINDS = {"sampler", "pruner", "wrapped"}

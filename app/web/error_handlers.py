"""Every error becomes application/problem+json (RFC 9457), or a page for a browser that asked for one."""

import json
import logging
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.middleware import body_limit
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs, schemas
from app.access.shares import PLACE
from app.db.engine import is_gone
from app.domain.body import as_json, plain_sentence
from app.domain.nearest import did_you_mean
from app.errors import BusyError, FieldError, InvalidError, PerceptuneError, UnavailableError, in_short
from app.web.templating import templates

logger = logging.getLogger(__name__)

_TOOK_TOO_LONG = {"55P03", "57014", "25P03"}  # a lock, a statement, a transaction: app.db.engine has the limits
MAX_ERRORS = 20  # fields that are named at once
MAX_SENTENCE = 1_000  # characters about one field
_INVALID = "The request has fields that can't be used."
_FRAMEWORK_NO_JSON = "There was an error parsing the body"  # what FastAPI says where Python's JSON raises another error
_FIELDS_WITH_KINDS = {"sampler", "pruner", "wrapped"}


def install(app: FastAPI) -> None:
    """Makes the application answer with these errors."""
    app.add_exception_handler(PerceptuneError, lambda request, error: render(request, error))
    app.add_exception_handler(RequestValidationError, _invalid_request)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]
    for kind in (OperationalError, InterfaceError, InternalError, PoolTimeoutError):
        app.add_exception_handler(kind, database_problem)
    app.add_exception_handler(RecursionError, _nested_too_deeply)
    app.add_middleware(_BugHandler)


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """How the OpenAPI document shows the errors of a route: these statuses, and 422, which every route may answer."""
    content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{schemas.Problem.__name__}"}}}
    return {status: {"description": "Problem", "content": content} for status in sorted({422, *statuses})}


def render(request: Request, error: PerceptuneError, headers: dict[str, str] | None = None) -> Response:
    """The error as a problem, or as a page where a browser asked for one outside the API."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if (request_id := logs.request_id.get()) is not None:
        problem["request_id"] = request_id
    if error.errors:
        problem["errors"] = [
            {"loc": list(field.loc), "msg": shortened(field.msg)} for field in error.errors[:MAX_ERRORS]
        ]
    if len(error.errors) > MAX_ERRORS:
        problem["detail"] += f" These are the first {MAX_ERRORS} of {len(error.errors):,}."
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else headers
    if error.retry_after_seconds is not None:
        headers = {**(headers or {}), "Retry-After": str(error.retry_after_seconds)}
    if wants_page(request):
        return templates.TemplateResponse(
            request, "error.html", {"problem": problem}, status_code=error.status, headers=headers
        )
    # in ASCII: a name in the body may hold half a surrogate pair, which UTF-8 can't
    return Response(json.dumps(problem), error.status, headers, media_type="application/problem+json")


def shortened(sentence: str) -> str:
    """The sentence, in which a value that was posted may stand, at a length that can be read."""
    if len(sentence) <= MAX_SENTENCE:
        return sentence
    return f"{sentence[: MAX_SENTENCE // 2]} … {sentence[-MAX_SENTENCE // 2 :]}"


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, rather than a program for JSON."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def invalid_body(error: ValidationError) -> InvalidError:
    """The error of a body that a route has checked itself."""
    return InvalidError(_INVALID, field_errors(error.errors()))


def field_errors(findings: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """What pydantic found wrong, each with the field's path as the client wrote it and what would be right."""
    return [FieldError(_client_path(finding), _what_is_right(finding)) for finding in findings]


def _client_path(finding: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The path of the field, without the kind of sampler or pruner that pydantic names behind the field."""
    path = finding["loc"]
    if finding["type"] == "json_invalid":  # pydantic gives the place in the text, which is no field
        return ()
    return tuple(part for before, part in zip((None, *path), path, strict=False) if before not in _FIELDS_WITH_KINDS)


def _what_is_right(finding: Mapping[str, Any]) -> str:
    """A sentence whose subject is the field, e.g. `must be 'a' or 'b', not "c"`."""
    context, value = finding.get("ctx", {}), as_json(finding["input"])
    sentences: dict[str, str] = {
        "missing": f"is missing{_what_to_write(finding['loc'])}",
        "extra_forbidden": "is unknown; leave it out",
        "literal_error": f"must be {context.get('expected')}, not {value}{_nearest(context, finding)}",
        "none_required": f"must be null, not {value}",
        "union_tag_invalid": f"must be one of {context.get('expected_tags')}, not {context.get('tag')!r}"
        f"{did_you_mean(context.get('tag'), _names_in(context.get('expected_tags')))}",
        "union_tag_not_found": 'needs a name: write \'tpe\', or {"name": "tpe", ...} with options',
        "json_invalid": f"the body is no JSON: {context.get('error')}",
        "model_attributes_type": _no_object(finding["loc"], value),
    }
    return sentences.get(finding["type"]) or plain_sentence(finding)


def _what_to_write(path: Sequence[str | int]) -> str:
    return ": write 'maximize' or 'minimize'" if path and path[-1] == "direction" else ""


def _nearest(context: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    return did_you_mean(finding["input"], _names_in(context.get("expected")))


def _names_in(text: object) -> list[str]:
    """The names in pydantic's list of them: `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']+)'", str(text))


def _no_object(path: Sequence[str | int], value: str) -> str:
    """Says that an object is wanted: of the whole body, whose type may be sent wrongly, or of one of its fields."""
    if tuple(path) in {(), ("body",)}:
        return "the body must be a JSON object, sent with Content-Type: application/json"
    return f"must be a JSON object, not {value}"


def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    findings = [{**finding, "loc": _without_body(finding["loc"])} for finding in error.errors()]
    return render(request, InvalidError(_INVALID, field_errors(findings)))


def _without_body(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return path[1:] if path[0] == "body" else path


def _http_error(request: Request, error: HTTPException) -> Response:
    """What the framework itself refuses: an unknown path, a method, a body that is no text."""
    if error.status_code == 400 and error.detail == _FRAMEWORK_NO_JSON:
        is_text = not isinstance(error.__cause__, UnicodeDecodeError)
        why = "a number of it has thousands of digits" if is_text else "it is not UTF-8"
        return render(request, InvalidError(_INVALID, [FieldError((), f"the body is no JSON: {why}")]))
    refusal = PerceptuneError(str(error.detail))
    refusal.status, refusal.title = error.status_code, HTTPStatus(error.status_code).phrase.capitalize()
    if error.status_code == 404 and error.detail == "Not Found":
        refusal.detail = f"There is nothing at {request.url.path}."
    if error.status_code == 405:
        methods = (error.headers or {}).get("Allow", "other methods")
        refusal.detail = f"{request.method} can't be used at {request.url.path}, which takes {methods}."
    return render(request, refusal, dict(error.headers or {}))


def database_problem(request: Request, error: Exception) -> Response:
    """503 where the call may be answered later, in words that are for whoever calls; the log has the database's own."""
    if isinstance(error, PoolTimeoutError):
        logger.warning("no connection to the database became free: %s", error)
        return render(request, BusyError("The server has too much to do right now; try again in a moment."))
    if isinstance(error, DBAPIError) and not is_gone(error):
        return _bug(request, error)
    cause = getattr(error, "orig", None)
    logger.warning("the database is gone: %s", in_short(cause or error))
    state = getattr(cause, "sqlstate", None) or ""
    if state in _TOOK_TOO_LONG:
        return render(
            request, BusyError("What this call needs took too long, or others held it; try again in a moment.")
        )
    if state.startswith("53"):  # insufficient resources
        return render(request, UnavailableError("The database has no room left: no disk space, memory or connections."))
    return render(request, UnavailableError("The database can't be reached right now; try again in a moment."))


def _bug(request: Request, error: Exception) -> Response:
    """The answer where nothing else is one; the log has the error, once."""
    path = _loggable(request.scope["path"])
    logger.error("unexpected error at %s %s", request.method, path, exc_info=error)
    return render(request, PerceptuneError("This is a bug of the server; its log says more."))


def _nested_too_deeply(request: Request, error: Exception) -> Response:
    """What a call brings is read in one place and written in another, where fewer brackets within each other may do.

    The log says where: what calls itself for ever is a bug, and fails so too.
    """
    (place,) = traceback.extract_tb(error.__traceback__, -1)
    logger.warning("nested too deeply for %s, %s:%s", place.name, Path(place.filename).name, place.lineno)
    return render(request, InvalidError("What was sent is nested too deeply."))


def _loggable(path: str) -> str:
    """The path without the token of a shared link: whoever reads the log must not see what it shows."""
    return f"{PLACE}…" if path.startswith(PLACE) else path


class _BugHandler:
    """Answers where nothing else did, and logs the error once: the framework's own handler hands it on to the server.

    An answer that has begun is left without its end, by which the client sees that it is not whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noting_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return  # before all of the body was here: nobody is there to be answered
        except Exception as error:
            # the framework's own way to say that it has refused a body that is too large
            if scope["type"] != "http" or type(error).__module__ == body_limit.__name__:
                raise
            answer = _bug(Request(scope), error)
            if not has_begun:
                await answer(scope, receive, send)

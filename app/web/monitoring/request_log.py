"""The outermost layer of the server: gives each request an id, and logs and counts how it was answered."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.web.monitoring.telemetry import describe_span
from app.web.monitoring.traffic import Answer, Traffic

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_UNMATCHED = "(none)"  # the route of what was refused before, or has no route
_OF_WORKERS = "/api/v1/worker/"  # each of them calls several times a second
_WAITS = f"{_OF_WORKERS}{{worker_id}}/wait"
_QUIET_ROUTES = {"/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/static", "/static/plotly.min.js"}


class RequestLog:
    """Answers carry the request's id, the client's own where it sends a usable one."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = usable_id(Headers(scope=scope).get(HEADER))
        context = logs.request_id.set(request_id)
        started_at = time.perf_counter()
        start: Message | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                MutableHeaders(scope=message)[HEADER] = request_id
                describe_span(request_id, route_of(scope))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            describe_span(request_id, route_of(scope))
            self._note(scope, start, time.perf_counter() - started_at)
            logs.request_id.reset(context)

    def _note(self, scope: Scope, start: Message | None, seconds: float) -> None:
        """Counts and logs one answer; `start` is None where there was none."""
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        is_stream = start is not None and Headers(raw=start["headers"]).get("content-type", "").startswith(
            "text/event-stream"
        )
        route = route_of(scope)
        is_stream = is_stream or route == _WAITS
        answer = Answer(method, route, start["status"] if start is not None else None, seconds, is_stream)
        self._traffic.count(answer)
        caller = scope.get("state", {}).get("caller")
        _log(answer, None if caller is None else caller.name)


def usable_id(sent_id: str | None) -> str:
    """The id that the client sent, if it is short and plain, else a new one."""
    return sent_id if sent_id is not None and _USABLE_ID.fullmatch(sent_id) else uuid4().hex


def route_of(scope: Scope) -> str:
    """The template of the path, such as `/sweeps/{sweep_id}`: paths themselves are as many as clients like."""
    route = scope.get("route")
    return str(getattr(route, "path", "") or _UNMATCHED)


def _log(answer: Answer, key: str | None) -> None:
    """One line: neither the path, in which a token may stand, nor the query is in it."""
    level = logging.DEBUG if answer.route in _QUIET_ROUTES else logging.INFO
    if answer.status is None or answer.status >= 500:
        level = logging.WARNING
    elif answer.status < 400 and answer.route.startswith(_OF_WORKERS):
        level = logging.DEBUG
    milliseconds = round(answer.seconds * 1000, 1)
    fields = {
        "method": answer.method,
        "route": answer.route,
        "status": answer.status,
        "milliseconds": milliseconds,
        "key": key,
    }
    status = "no answer" if answer.status is None else answer.status
    sender = "" if key is None else f" key {key!r}"
    message = f"{answer.method} {answer.route} {status} {milliseconds} ms{sender}"
    logger.log(level, "%s", message, extra={"fields": fields})

"""The middleware before all routes: it refuses a request, or sends a browser without a key to the page that asks."""

from urllib.parse import quote

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import Caller
from app.access.shares import PLACE
from app.errors import ForbiddenError, InvalidError, TooManyAttemptsError, UnauthorizedError
from app.web.error_handlers import database_problem, render, wants_page
from app.web.security.gate import Gate, check_role
from app.web.security.roles import needed_role

_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",  # a stranger's page could lay its own picture over our buttons
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


# of pages whose address is all that it takes to see them
_SHARED_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


class Guard:
    """Passes on what may pass, with `request.state.caller`, and adds to each answer what browsers are to heed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(request, MutableHeaders(scope=message))
            await send(message)

        refusal = await _refusal(request)
        await (refusal or self._app)(scope, receive, send_with_headers)


def _add_headers(request: Request, headers: MutableHeaders) -> None:
    headers.update(_HEADERS)
    caller: Caller | None = getattr(request.state, "caller", None)
    is_shared = request.scope["path"].startswith(PLACE)
    if is_shared:
        headers.update(_SHARED_HEADERS)
    is_page = headers.get("content-type", "").startswith("text/html")
    if is_page and (is_shared or (caller is not None and caller.name is not None)):
        headers["Cache-Control"] = "no-store"  # nobody finds it with the back button once the key is gone


async def _refusal(request: Request) -> Response | None:
    gate: Gate = request.app.state.gate
    try:
        _check_length(request)
        gate.check_origin(request)
        role = needed_role(request.method, request.scope["path"])
        if role is not None:
            check_role(await _admit(gate, request), role)
    except UnauthorizedError as error:
        if wants_page(request):
            return RedirectResponse(f"/login?next={quote(_path_with_query(request))}", status_code=303)
        return render(request, error)
    except (ForbiddenError, InvalidError, TooManyAttemptsError) as error:
        return render(request, error)
    except (OperationalError, InterfaceError, InternalError, PoolTimeoutError) as error:
        return database_problem(request, error)
    return None


def _check_length(request: Request) -> None:
    """Raises InvalidError where a body has two lengths: it would come by one, and have room by the other."""
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        raise InvalidError(
            "A request says how long its body is by Content-Length or by Transfer-Encoding, not by both."
        )


async def _admit(gate: Gate, request: Request) -> Caller:
    """The caller, whom the routes find in `request.state`."""
    caller = gate.remembered_caller(request)
    if caller is None:
        caller = await run_in_threadpool(gate.caller, request)
    request.state.caller = caller
    return caller


def _path_with_query(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")

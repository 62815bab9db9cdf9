"""Checks of the API key, and against requests that a foreign web page makes a browser send."""

import hashlib
import hmac
import ipaddress
import socket
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings, is_loopback
from app.errors import ForbiddenError, UnauthorizedError
from app.web.error_handlers import render, wants_page

COOKIE = "perceptune_key"
# Beginnings of paths that need no key: the probes, the page that asks for the key, and its style sheet.
_WITHOUT_KEY = ("/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/login", "/static/")


_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",  # a stranger's page could lay its own picture over our buttons
    "X-Content-Type-Options": "nosniff",
}


class Gate:
    """The key and the host names of this server, against which each request is checked before any route sees it."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.api_key
        self._beyond_loopback = not is_loopback(settings.host)
        hosts = {"localhost", "127.0.0.1", "::1", settings.host, *settings.allowed_hosts}
        if self._beyond_loopback:
            hosts |= {socket.gethostname(), socket.getfqdn()}
        self._hosts = {name.lower() for name in hosts}

    def check(self, request: Request) -> None:
        """Raises ForbiddenError for a foreign Host or Origin, UnauthorizedError where the key is missing."""
        host = request.headers.get("host", "")
        if not self._is_own_host(host):
            raise ForbiddenError(
                f"The host {host!r} is not this server's: add it to PERCEPTUNE_ALLOWED_HOSTS if it should be."
            )
        origin = request.headers.get("origin")
        if origin is not None and _network_location(origin) != host.lower():
            raise ForbiddenError(f"Requests from pages of {origin!r} are not answered.")
        if request.headers.get("sec-fetch-site") == "cross-site" and not _opens_a_page(request):
            raise ForbiddenError(
                "Requests that a page of another site sends are not answered; open the address itself."
            )
        if self._key is not None and not request.url.path.startswith(_WITHOUT_KEY) and not self._has_key(request):
            raise UnauthorizedError("Send the server's key as `Authorization: Bearer KEY`.")

    def accepts(self, key: str) -> bool:
        """Whether this is the server's key."""
        return self._key is not None and hmac.compare_digest(key.encode(), self._key.encode())

    def cookie_value(self) -> str:
        """What a browser with the key sends: not the key itself, and void once the server's key is another."""
        return hmac.new((self._key or "").encode(), b"perceptune dashboard", hashlib.sha256).hexdigest()

    def _has_key(self, request: Request) -> bool:
        """Whether the request brings the key as a Bearer token, or the cookie of the login page."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.accepts(token.strip())
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.cookie_value().encode())

    def _is_own_host(self, host: str) -> bool:
        """Whether the Host header, with or without a port, names this server."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts:
            return True
        # a name can be pointed at this machine by a stranger's DNS server, a bare address can't
        return self._beyond_loopback and _is_address(name)


class Guard:
    """The middleware before all routes: it refuses a request, or sends a browser without the key to the login page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what may pass, and adds to each answer what browsers are to heed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = _refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_with_headers)


def _refusal(request: Request) -> Response | None:
    try:
        request.app.state.gate.check(request)
    except UnauthorizedError as error:
        if wants_page(request):
            return RedirectResponse(f"/login?next={quote(_path_with_query(request))}", status_code=303)
        return render(request, error)
    except ForbiddenError as error:
        return render(request, error)
    return None


def _path_with_query(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _network_location(origin: str) -> str | None:
    """The host and port of an Origin; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _opens_a_page(request: Request) -> bool:
    """Whether a person follows a link to this server, and no page fetches, embeds or posts something in the dark."""
    headers = request.headers
    navigates = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return navigates and request.method in {"GET", "HEAD"}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

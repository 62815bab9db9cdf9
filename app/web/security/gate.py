"""The checks of one request: our own host, no foreign page's request, and a caller with the role that it needs."""

import ipaddress
import socket
from functools import partial
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy import Engine

from app.access import keys
from app.access.callers import Caller
from app.access.tokens import is_token
from app.config import Settings, is_loopback
from app.db import notifications
from app.db.engine import transaction
from app.domain.people.roles import Role
from app.errors import ForbiddenError, TooManyAttemptsError, UnauthorizedError
from app.web.security.backoff import Backoff
from app.web.security.key_ring import KeyRing

COOKIE = "perceptune_session"
MAX_ADDRESS_LENGTH = 100


class Gate:
    """The keys and the host names of this server."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.ring = KeyRing(engine, settings.api_key)
        self._backoff = Backoff(partial(_tell_servers, engine))
        self._beyond_loopback = not is_loopback(settings.host)
        hosts = {"localhost", "127.0.0.1", "::1", settings.host, *settings.allowed_hosts}
        if settings.public_url is not None:
            hosts.add(urlsplit(settings.public_url).hostname or "")
        if self._beyond_loopback:
            hosts |= {socket.gethostname(), socket.getfqdn()}
        self._hosts = {name.lower() for name in hosts}

    def hear(self, words: str) -> None:
        """Takes in what another server has told of a key."""
        self._backoff.hear(words)

    def check_origin(self, request: Request) -> None:
        """Raises ForbiddenError for a foreign Host, and for what a foreign page makes a browser send."""
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

    def remembered_caller(self, request: Request) -> Caller | None:
        """Who calls, where that is known without a look into the database."""
        token = _bearer_token(request) or request.cookies.get(COOKIE)
        if token is not None and (caller := self.ring.remembered(token)) is not None:
            return caller
        return self.ring.anyone() if self.ring.is_open() else None

    def caller(self, request: Request) -> Caller:
        """Who calls. Raises UnauthorizedError without a valid key, TooManyAttemptsError after many wrong ones."""
        if (caller := self.ring.anyone()) is not None:
            return caller
        token = _bearer_token(request)
        if token is not None:
            return self.caller_of_key(token, _address(request))
        cookie = request.cookies.get(COOKIE)
        if cookie is not None and (caller := self.ring.find_session(cookie)) is not None:
            return caller
        raise UnauthorizedError("Send a key of this server as `Authorization: Bearer KEY`.")

    def still_lets_in(self, request: Request) -> bool:
        """Whether who was let in with this request would be so again: keys are revoked, and sessions end."""
        if self.ring.anyone() is not None:
            return True
        if (token := _bearer_token(request)) is not None:
            return self.ring.is_environment_key(token) or self.ring.find_key(token) is not None
        cookie = request.cookies.get(COOKIE)
        return cookie is not None and self.ring.find_session(cookie) is not None

    def caller_of_key(self, token: str, address: str) -> Caller:
        """The caller with this key. Raises UnauthorizedError for a wrong one, TooManyAttemptsError after many.

        Keys of the table can't be guessed, so they are good also from an address that others have spoilt; the key of
        the environment, which may be short, is not looked at before the wait is over.
        """
        if is_token(token, keys.KIND) and (caller := self.ring.find_key(token)) is not None:
            return caller
        if (seconds := self._backoff.wait_seconds(address)) > 0:
            raise TooManyAttemptsError(f"Too many wrong keys came from {address}: try again in {seconds} s.", seconds)
        if self.ring.is_environment_key(token):
            self._backoff.note_success(address)
            return self.ring.environment_caller()
        self._backoff.note_failure(address)
        raise UnauthorizedError("This is no key of this server, or it has expired or was revoked.")

    def log_in(self, request: Request, token: str) -> str:
        """The cookie of a new session, for the right key. Raises as `caller_of_key`."""
        return self.ring.log_in(self.caller_of_key(token, _address(request)))

    def log_out(self, request: Request) -> None:
        """Ends the session of the browser that asks."""
        if (cookie := request.cookies.get(COOKIE)) is not None:
            self.ring.log_out(cookie)

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


def _tell_servers(engine: Engine, words: str) -> None:
    with transaction(engine) as session:
        notifications.tell_servers(session, words)


def check_role(caller: Caller, role: Role) -> None:
    """Raises ForbiddenError where the caller has a smaller role than this."""
    if not caller.role.includes(role):
        raise ForbiddenError(f"This needs a key with the role {role}; {caller.name!r} has the role {caller.role}.")


def _bearer_token(request: Request) -> str | None:
    """The key that the request brings as a Bearer token; an empty one too is one, and wrong."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _address(request: Request) -> str:
    """Where the request is from: behind a trusted proxy what that says, which may be anything that a client wrote."""
    host = request.client.host if request.client is not None else ""
    return host if 0 < len(host) <= MAX_ADDRESS_LENGTH and host.isprintable() else "an unknown address"


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

"""The page that asks for a key and leaves a session's cookie, and the button that ends the session."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.access.sessions import DAYS
from app.errors import PerceptuneError, TooManyAttemptsError, UnauthorizedError
from app.web.pages.rendering import render
from app.web.security.gate import COOKIE, Gate

MAX_FORM_BYTES = 2**14  # anybody may post it

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class LoginView:
    """The form for the key, or that there is none."""

    next: str
    """Where to go with the right key, or without one."""
    asks: bool = True
    """Whether the server asks for a key."""
    error: str = ""


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:
    """Asks for the key, where there is one."""
    return render(request, "login.html", LoginView(_own_page(next), _asks_for_key(request)))


@router.post("/login", max_body_size=MAX_FORM_BYTES)
def log_in(request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    """Begins a session and goes on to the page that was asked for, or asks again; without keys it just goes on."""
    gate: Gate = request.app.state.gate
    try:
        cookie = gate.log_in(request, key.strip())
    except (UnauthorizedError, TooManyAttemptsError) as error:
        if not _asks_for_key(request):
            return RedirectResponse(_own_page(next), status_code=303)
        return _ask_again(request, next, error)
    response = RedirectResponse(_own_page(next), status_code=303)
    # behind a proxy the scheme is what the proxy says, if it is one that the web server trusts
    is_encrypted = request.url.scheme == "https"
    options = {"httponly": True, "samesite": "strict", "secure": is_encrypted, "max_age": DAYS * 24 * 3600}
    response.set_cookie(COOKIE, cookie, **options)  # type: ignore[arg-type]  # mypy joins the options' types
    return response


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Ends the session and asks for a key again."""
    gate: Gate = request.app.state.gate
    gate.log_out(request)
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _asks_for_key(request: Request) -> bool:
    """Whether nobody passes without a key."""
    gate: Gate = request.app.state.gate
    return gate.ring.anyone() is None


def _own_page(next: str) -> str:
    """The page that was asked for; the first one in place of another site's."""
    return next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"


def _ask_again(request: Request, next: str, error: PerceptuneError) -> Response:
    view = LoginView(_own_page(next), error=error.detail)
    response = render(request, "login.html", view, status=error.status)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response

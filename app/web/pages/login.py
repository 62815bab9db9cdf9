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
    """The form for the key."""

    next: str
    """Where to go with the right key."""
    error: str = ""


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:
    """Asks for the key."""
    return render(request, "login.html", LoginView(next))


@router.post("/login", max_body_size=MAX_FORM_BYTES)
def log_in(request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    """Begins a session and goes on to the page that was asked for, or asks again."""
    gate: Gate = request.app.state.gate
    try:
        cookie = gate.log_in(request, key.strip())
    except (UnauthorizedError, TooManyAttemptsError) as error:
        return _ask_again(request, next, error)
    is_own_page = next.startswith("/") and not next.startswith(("//", "/\\"))
    response = RedirectResponse(next if is_own_page else "/", status_code=303)
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


def _ask_again(request: Request, next: str, error: PerceptuneError) -> Response:
    response = render(request, "login.html", LoginView(next, error.detail), status=error.status)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response

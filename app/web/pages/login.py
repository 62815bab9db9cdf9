"""The page that asks for the API key and leaves a cookie."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.web.pages.rendering import render
from app.web.security import COOKIE, Gate

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


@router.post("/login")
def log_in(request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    """Leaves a cookie and goes on to the page that was asked for, or asks again."""
    gate: Gate = request.app.state.gate
    if not gate.accepts(key):
        return render(request, "login.html", LoginView(next, "That is not this server's key."), status=401)
    is_own_page = next.startswith("/") and not next.startswith(("//", "/\\"))
    response = RedirectResponse(next if is_own_page else "/", status_code=303)
    response.set_cookie(COOKIE, gate.cookie_value(), httponly=True, samesite="strict", max_age=30 * 24 * 3600)
    return response

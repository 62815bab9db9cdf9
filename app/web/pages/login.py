"""The page that asks for the API key and leaves a cookie."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.web.security import COOKIE, Gate
from app.web.templating import templates

router = APIRouter(include_in_schema=False)


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:
    return templates.TemplateResponse(request, "login.html", {"next": next})


@router.post("/login")
def log_in(request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    gate: Gate = request.app.state.gate
    if not gate.accepts(key):
        wrong = {"next": next, "error": "That is not this server's key."}
        return templates.TemplateResponse(request, "login.html", wrong, status_code=401)
    inside = next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
    answer = RedirectResponse(inside, status_code=303)
    answer.set_cookie(COOKIE, gate.cookie_value(), httponly=True, samesite="strict", max_age=30 * 24 * 3600)
    return answer

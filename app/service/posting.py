"""Posts a sweep's body to a running service, for `perceptune post`."""

import json
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from app.config import Settings
from app.errors import InvalidError

TIMEOUT_SECONDS = 120


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, so that the key is not sent on to another place."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post_sweep(file: str, server: str | None, settings: Settings) -> str:
    """The address of the new sweep's page. `file` is a path, or `-` for standard input. Raises InvalidError."""
    base = (server or f"http://{_host(settings)}:{settings.port}").rstrip("/")
    headers = {"Content-Type": "application/json"}
    if settings.api_key:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    opener = build_opener(_NoRedirects, ProxyHandler({}))
    try:
        request = Request(f"{base}/api/v1/sweeps", _read(file), headers)
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return f"{base}/sweeps/{json.load(answer)['id']}"
    except HTTPError as error:
        raise InvalidError(_refusal(error)) from None
    except (OSError, HTTPException, ValueError, KeyError) as error:
        raise InvalidError(f"{base} does not answer as Perceptune does: {error} (--server)") from None


def _host(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host
    return f"[{host}]" if ":" in host else host


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidError(f"{file} can't be read: {error.strerror}.") from None


def _refusal(error: HTTPError) -> str:
    """What the service says is wrong, field by field, in one sentence."""
    try:
        problem = json.load(error)
        fields = [f"{'.'.join(map(str, field['loc']))} {field['msg']}" for field in problem.get("errors", [])]
        return "; ".join([f"The service refuses the sweep: {problem['detail']}", *fields]).rstrip(".") + "."
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"The service answers {error.code}, but not as Perceptune does."

"""The sources of a model file: a path, an http address, or the service by the numbers of sweep and trial."""

import json
import re
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from app.config import Settings, is_loopback, service_address
from app.errors import InvalidError
from app.logs import printable

TIMEOUT_SECONDS = 30


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, so that the key is not sent on to another place."""

    def redirect_request(self, *_: Any) -> None:
        return None


def read_model(model: str, settings: Settings) -> bytes:
    """The bytes of a file, of an http address, or of SWEEP, SWEEP/TRIAL or SWEEP/TRIAL/RUN of the service.

    Without a trial it is the sweep's best, without a run the trial's best. Raises InvalidError.
    """
    if model.startswith(("http://", "https://")):
        return _get(model, settings)
    try:
        if Path(model).is_file():
            return Path(model).read_bytes()
    except OSError as error:
        raise InvalidError(f"{model} can't be read: {error.strerror}.") from None
    numbers = re.fullmatch(r"(\d+)(?:/(\d+))?(?:/(\d+))?", model)
    if numbers is None:
        raise InvalidError(
            f"There is no file {model}: name a model file, its address on a server, or SWEEP/TRIAL of the service."
        )
    sweep, trial, run = numbers.groups()
    address = f"{service_address(settings)}/api/v1/sweeps/{sweep}"
    trial = trial or _best_trial(sweep, address, _get(address, settings))
    return _get(f"{address}/trials/{trial}/model{f'?run={run}' if run else ''}", settings)


def _best_trial(sweep: str, address: str, answer: bytes) -> int:
    """The number of the best trial in the service's answer about a sweep. Raises InvalidError."""
    try:
        best = json.loads(answer)["best"]
        number = None if best is None else int(best["number"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidError(f"{address} answers, but not as Perceptune does.") from None
    if number is None:
        raise InvalidError(f"Sweep {sweep} has no complete trial yet, so there is no best model.")
    return number


def _get(address: str, settings: Settings) -> bytes:
    try:
        parts = urlsplit(address)
        is_local = is_loopback(parts.hostname or "") or parts.hostname == settings.host
        is_here = is_local and (parts.port or {"http": 80, "https": 443}[parts.scheme]) == settings.port
        is_ours = is_here or parts[:2] == urlsplit(service_address(settings))[:2]
        headers = {"Authorization": f"Bearer {settings.api_key}"} if is_ours and settings.api_key else {}
        opener = build_opener(_NoRedirects, *([ProxyHandler({})] if is_local else []))
        with opener.open(Request(address, headers=headers), timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except HTTPError as error:
        raise InvalidError(f"{address} answers {error.code}: {_detail(error)}") from None
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise InvalidError(f"{address} can't be reached: {why}.") from None


def _detail(error: HTTPError) -> str:
    """The sentence of the server's answer, or what HTTP calls its status."""
    try:
        return printable(str(json.loads(error.read())["detail"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{error.reason}."

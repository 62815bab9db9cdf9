"""Probes for orchestrators: whether the server answers, and whether its database is ready."""

import math
import threading
import time

from fastapi import APIRouter, Request
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.engine import transaction
from app.db.migrations import is_migrated
from app.errors import UnavailableError
from app.web.error_handlers import problems

HOLDS_SECONDS = 1.0

router = APIRouter(prefix="/api/v1", tags=["system"])
root_router = APIRouter(include_in_schema=False)  # the same at the root, where orchestrators look for them


@root_router.get("/healthz")
@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@root_router.get("/readyz", responses=problems(503))
@router.get("/readyz", responses=problems(503))
def readyz(request: Request) -> dict[str, str]:
    """The database is reachable and its tables are those of this version; else 503. Looked at once a second at most."""
    readiness: Readiness = request.app.state.readiness
    if problem := readiness.problem():
        raise UnavailableError(problem)
    return {"status": "ready"}


class Readiness:
    """Whether the server is ready; asked without a key and as often as anyone likes, so each answer holds a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._looked_at = -math.inf  # time.monotonic

    def problem(self) -> str | None:
        """What keeps it from being ready, if anything."""
        with self._lock:
            if time.monotonic() - self._looked_at >= HOLDS_SECONDS:
                self._problem = self._look()
                self._looked_at = time.monotonic()
            return self._problem

    def _look(self) -> str | None:
        try:
            with transaction(self._engine) as session:
                migrated = is_migrated(session)
        except (OperationalError, PoolTimeoutError):
            return "The database can't be reached."
        return None if migrated else "The tables are not those of this version: run `perceptune db upgrade`."

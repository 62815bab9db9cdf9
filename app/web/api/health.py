"""Probes for orchestrators: whether the server answers, and whether its database and its tasks are well."""

import math
import threading
import time
from typing import NamedTuple

from fastapi import APIRouter, Request
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import schemas
from app.db.engine import transaction
from app.db.migrations import is_migrated
from app.errors import UnavailableError
from app.queue.workers import live_workers
from app.web.error_handlers import problems
from app.web.monitoring.background import Background

HOLDS_SECONDS = 1.0
NO_WORKER = "No worker runs: sweeps wait until one does (`perceptune worker`)."

router = APIRouter(prefix="/api/v1", tags=["system"])
root_router = APIRouter(include_in_schema=False)  # the same at the root, where orchestrators look for them


@root_router.get("/healthz")
@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@root_router.get("/readyz", responses=problems(503))
@router.get("/readyz", responses=problems(503))
def readyz(request: Request) -> schemas.ReadyOut:
    """The database is reachable, its tables are those of this version, and all background tasks live; else 503.

    That no worker lives is a warning: sweeps wait for one. Looked at once a second at most.
    """
    readiness: Readiness = request.app.state.readiness
    finding = readiness.look()
    if finding.problem is not None:
        raise UnavailableError(finding.problem)
    return schemas.ReadyOut(warnings=finding.warnings)


class Finding(NamedTuple):
    """What was seen at one look."""

    problem: str | None = None  # what keeps the server from being ready
    warnings: list[str] = []  # noqa: RUF012 (never changed)


class Readiness:
    """Whether the server is ready; asked without a key and as often as anyone likes, so each answer holds a second."""

    def __init__(self, engine: Engine, background: Background) -> None:
        self._engine = engine
        self._background = background
        self._lock = threading.Lock()
        self._finding = Finding()
        self._looked_at = -math.inf  # time.monotonic

    def look(self) -> Finding:
        """What there is to say, now or a moment ago."""
        with self._lock:
            if time.monotonic() - self._looked_at >= HOLDS_SECONDS:
                self._finding = self._look()
                self._looked_at = time.monotonic()
            return self._finding

    def _look(self) -> Finding:
        try:
            with transaction(self._engine) as session:
                migrated, workers = is_migrated(session), 0
                if migrated:
                    workers = live_workers(session)
        except (OperationalError, PoolTimeoutError):
            return Finding("The database can't be reached.")
        if not migrated:
            return Finding("The tables are not those of this version: run `perceptune db upgrade`.")
        if dead_tasks := self._background.dead():
            names = " and ".join(dead_tasks)
            return Finding(f"What runs in the background has died ({names}): start the server again; its log says why.")
        return Finding(warnings=[] if workers else [NO_WORKER])

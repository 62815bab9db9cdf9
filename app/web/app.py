"""Builds the FastAPI application: routes, middleware, error handlers and what runs in its background."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from functools import cache
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import Engine, QueuePool
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from app.access.keys import any_key
from app.config import Settings
from app.db.engine import connect, transaction
from app.errors import StartError
from app.web import assets, error_handlers
from app.web.api import (
    charts,
    comparisons,
    datasets,
    deliveries,
    docs,
    events,
    exercises,
    exports,
    health,
    imports,
    metrics,
    models,
    sweeps,
    trials,
    workers,
)
from app.web.api.access import keys, shares, sweep_log
from app.web.cache import LRUCache
from app.web.dependencies import refuse_unknown_parameters
from app.web.downloads import Downloads
from app.web.events import Broadcaster
from app.web.monitoring import telemetry
from app.web.monitoring.background import Background
from app.web.monitoring.request_log import RequestLog
from app.web.monitoring.traffic import Traffic
from app.web.openapi import DocumentedAPI, operation_id
from app.web.pages import routes as pages
from app.web.remote import calls as worker_calls
from app.web.remote.workers import RemoteWorkers
from app.web.repeats import Repeats
from app.web.security.bodies import MAX_BODY_BYTES, Bodies
from app.web.security.drawings import Drawings
from app.web.security.gate import Gate
from app.web.security.guard import Guard
from app.web.security.plans import plan_places
from app.web.security.turns import Turns
from app.web.upkeep import clearing
from app.web.uploads import Uploads
from app.web.webhooks import delivery

logger = logging.getLogger(__name__)

LAST_READS_SECONDS = 5.0


def create_app(settings: Settings) -> FastAPI:
    """The server on a database that is migrated. Raises StartError for unsafe settings."""
    if settings.database_url is None:
        raise ValueError("database_url must be set: the caller starts the embedded database")
    engine = connect(settings.database_url, "server")
    try:
        settings.refuse_unsafe_serving(lambda: _has_keys(engine))
    except StartError:
        engine.dispose()
        raise
    app = _Server(
        title="Perceptune",
        summary="Hyperparameter sweeps for multilayer perceptrons",
        version=version("perceptune"),
        openapi_url="/api/openapi.json",
        docs_url=None,  # api/docs.py has it, without a foreign host's scripts
        redoc_url=None,
        lifespan=lambda app: _background(app, engine, allow_private=settings.webhook_private),
        max_body_size=MAX_BODY_BYTES,
        telemetry=telemetry.config(settings),
        routes=[*_routes()],
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.traffic = Traffic()
    app.state.background = Background()
    app.state.gate = Gate(settings, engine)
    app.state.broadcaster = Broadcaster(engine, app.state.gate.hear)
    app.state.downloads = Downloads(settings.database_url)
    app.state.uploads = Uploads()
    app.state.drawings = Drawings()
    app.state.plans = plan_places()
    app.state.predictions = models.prediction_places()
    app.state.remote_workers = RemoteWorkers(engine)
    app.state.readiness = health.Readiness(engine, app.state.background)
    app.state.answer_cache = LRUCache()
    error_handlers.install(app)
    for layer in (Turns, Repeats, Bodies):  # behind the guard, who knows the caller
        app.add_middleware(layer)
    app.add_middleware(Guard)
    return app


class _Server(DocumentedAPI):
    """The application within the layer that sees every answer, also the framework's own refusals."""

    def build_middleware_stack(self) -> ASGIApp:
        """All layers; called once, with the first request."""
        return RequestLog(super().build_middleware_stack(), self.state.traffic)


def _has_keys(engine: Engine) -> bool:
    with transaction(engine) as session:
        return any_key(session)


@contextlib.asynccontextmanager
async def _background(app: FastAPI, engine: Engine, *, allow_private: bool) -> AsyncIterator[None]:
    """Events and webhooks are sent and deleted sweeps cleared while the server runs; then connections are closed."""
    task = asyncio.create_task(app.state.broadcaster.run())
    task.add_done_callback(_log_death)
    background: Background = app.state.background
    background.watch("events", lambda: not task.done())
    with delivery.sending(engine, allow_private=allow_private) as senders, clearing(engine) as clearer:
        background.watch("webhooks", lambda: all(sender.is_alive() for sender in senders))
        background.watch("clearing", clearer.is_alive)
        yield
        background.forget()
    app.state.remote_workers.stopping.set()
    task.cancel()
    await asyncio.wait([task])
    # a read that was under way in a thread still holds a connection
    await asyncio.get_running_loop().shutdown_default_executor()
    for closing in (engine, app.state.downloads.engine):
        await _connections_returned(closing)
        closing.dispose()


async def _connections_returned(engine: Engine) -> None:
    """Waits for threads whose requests were cut off, and which still read: what they hold would never be closed."""
    assert isinstance(engine.pool, QueuePool)
    for _ in range(round(LAST_READS_SECONDS / 0.05)):
        if not engine.pool.checkedout():
            return
        await asyncio.sleep(0.05)


def _log_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the task that sends events has died", exc_info=error)


@cache
def _routes() -> Sequence[BaseRoute]:
    """All of them, once a process: with the first request FastAPI works out each, which takes a tenth of a second."""
    root = APIRouter(
        max_body_size=MAX_BODY_BYTES,
        generate_unique_id_function=operation_id,
        # what every call may answer: for the key, the host, the body's size, the database
        responses=error_handlers.problems(401, 403, 413, 429, 503),
    )
    _include_api(root)
    _include_pages(root)
    return root.routes


def _include_api(root: APIRouter) -> None:
    """The JSON API, in the order in which its document lists the calls."""
    checks = [Depends(refuse_unknown_parameters)]
    # models and trials before sweeps, whose `/sweeps/{id}/{call}` would take their paths
    for module in (exports, imports, deliveries, sweep_log, shares, models, trials):
        root.include_router(module.router, dependencies=checks)
    root.include_router(charts.router)  # each chart has options of its own, and refuses unknown ones itself
    for module in (exercises, events, workers, worker_calls, datasets, keys, health, metrics, comparisons, sweeps):
        root.include_router(module.router, dependencies=checks)


def _include_pages(root: APIRouter) -> None:
    """The dashboard, the API's page, probes at the root, and static files."""
    for router in (*pages.ROUTERS, imports.form_router, docs.router):
        root.include_router(router)
    for router in (health.root_router, metrics.root_router):
        root.include_router(router)
    root.add_api_route("/static/plotly.min.js", assets.plotly_js, include_in_schema=False)
    root.mount("/static", assets.VersionedFiles(directory=assets.FOLDER), name="static")

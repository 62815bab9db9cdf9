"""Builds the server. Nothing happens at import."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

import plotly
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from app.config import Settings
from app.db.engine import connect
from app.web import error_handlers, security
from app.web.api import charts, events, exercises, exports, models, sweeps, system, trials
from app.web.cache import LRUCache
from app.web.dependencies import known_query
from app.web.dependencies import problems as problems_of
from app.web.events import Broadcaster
from app.web.pages import actions, login, pages
from app.web.webhooks import delivery

_STATIC = Path(__file__).parent / "static"
_PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
MAX_BODY_BYTES = 4 * 2**20


def create_app(settings: Settings) -> FastAPI:
    """The server on a database that is migrated. Raises StartError for unsafe settings."""
    settings.refuse_unsafe_serving()
    if settings.database_url is None:
        raise ValueError("database_url must be set: the caller starts the embedded database")
    engine = connect(settings.database_url)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(app.state.live.run())
        with delivery.sending(engine, private=settings.webhook_private):
            yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        # a read that was under way in a thread still holds a connection
        await asyncio.get_running_loop().shutdown_default_executor()
        engine.dispose()

    app = FastAPI(
        title="Perceptune",
        summary="Hyperparameter sweeps for multilayer perceptrons",
        version=version("perceptune"),
        openapi_url="/api/openapi.json",
        docs_url=None,  # routes.system has it, without a foreign host's scripts
        redoc_url=None,
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
        responses=problems_of(401, 403, 413, 503),  # the key, the host, the body's size, the database: of every call
    )
    app.state.engine = engine
    app.state.live = Broadcaster(engine)
    app.state.drawn = LRUCache()
    app.state.gate = security.Gate(settings)
    error_handlers.install(app)
    app.middleware("http")(security.guard)
    # models before trials before sweeps: `/sweeps/{id}/{call}` would take their paths
    for router in (exports, models, trials, charts, exercises, events, system, sweeps, login, actions, pages):
        free = router in (
            charts,
            login,
            actions,
            pages,
        )  # charts have options of their own, and refuse unknown ones themselves
        app.include_router(router.router, dependencies=[] if free else [Depends(known_query)])
    app.include_router(exports.pages)
    app.include_router(system.probes)
    app.add_api_route("/static/plotly.min.js", _plotly_js, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


def _plotly_js() -> FileResponse:
    return FileResponse(_PLOTLY_JS, headers={"Cache-Control": "public, max-age=604800"})

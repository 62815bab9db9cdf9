"""The trained model of a trial: download it, or have the trial trained again for it."""

from collections.abc import Generator
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Engine

from app import schemas
from app.db.engine import transaction
from app.files import prediction, trained_models
from app.files.trained_models import StoredModel
from app.web.dependencies import DatabaseSession, SweepId, TrialNumber
from app.web.downloads import Download, Downloads
from app.web.error_handlers import problems
from app.web.security.places import Places

_TRIAL = "/api/v1/sweeps/{sweep_id}/trials/{number}"
router = APIRouter(tags=["models"])

MEDIA_TYPE = "application/octet-stream"  # none is registered for safetensors
MAX_PREDICTIONS = 2  # at once, of one caller: each reads a network, which may take several times its 200 MB


def prediction_places() -> Places:
    """Those of a server."""
    return Places(MAX_PREDICTIONS, "Other networks are being asked: try again in a moment.")


@router.get(
    f"{_TRIAL}/model",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        **problems(404, 409),
    },
)
def download_model(
    sweep_id: SweepId,
    number: TrialNumber,
    session: DatabaseSession,
    request: Request,
    run: Annotated[int | None, Query(ge=0, le=2**31, description="Index of the seed; default: the best run.")] = None,
) -> Response:
    """The weights as safetensors, with all that says what they are as metadata; 409 where they were not kept."""
    model = trained_models.find(session, sweep_id, number, run)
    downloads: Downloads = request.app.state.downloads
    headers = {"Content-Disposition": f'attachment; filename="{model.file_name}"'}
    return Download(downloads, lambda: _pieces(downloads.engine, model), media_type=MEDIA_TYPE, headers=headers)


def _pieces(engine: Engine, model: StoredModel) -> Generator[bytes]:
    """The file as it is now: several at once, read whole, would take the server's memory."""
    with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as session:
        yield from model.pieces(session)


@router.post(
    f"{_TRIAL}/model",
    status_code=202,
    responses={200: {"model": schemas.ModelOut, "description": "The model is there."}, **problems(404, 409)},
)
def want_model(
    sweep_id: SweepId, number: TrialNumber, session: DatabaseSession, response: Response
) -> schemas.ModelOut:
    """Keeps the model of a complete trial: 200 where it is there, 202 where the trial is trained again for it."""
    ready = trained_models.keep_model(session, sweep_id, number)
    response.status_code = 200 if ready else 202
    return schemas.ModelOut(ready=ready, url=f"/api/v1/sweeps/{sweep_id}/trials/{number}/model")


@router.post(f"{_TRIAL}/predict", responses=problems(404, 409))
async def predict(
    sweep_id: SweepId, number: TrialNumber, body: schemas.PredictionRequest, request: Request
) -> schemas.PredictionOut:
    """What the trial's network sees in rows of numbers; 409 where its weights were not kept. Nothing is stored.

    Images are made to rows by the page of the model, or by `perceptune predict`.
    """
    engine, places = request.app.state.engine, request.app.state.predictions
    async with places.place(request.scope):
        return await anyio.to_thread.run_sync(partial(_predict, engine, sweep_id, number, body))


def _predict(engine: Engine, sweep_id: int, number: int, body: schemas.PredictionRequest) -> schemas.PredictionOut:
    with transaction(engine) as session:
        return prediction.predict(session, sweep_id, number, body)

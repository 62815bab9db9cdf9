"""The trained model of a trial: download it, or have the trial trained again for it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app import schemas
from app.files import prediction, trained_models
from app.web.dependencies import DatabaseSession, SweepId, TrialNumber
from app.web.error_handlers import problems

_TRIAL = "/api/v1/sweeps/{sweep_id}/trials/{number}"
router = APIRouter(tags=["models"])

MEDIA_TYPE = "application/octet-stream"  # none is registered for safetensors


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
    run: Annotated[int | None, Query(ge=0, le=2**31, description="Index of the seed; default: the best run.")] = None,
) -> Response:
    """The weights as safetensors, with all that says what they are as metadata; 409 where they were not kept."""
    model = trained_models.download(session, sweep_id, number, run)
    headers = {"Content-Disposition": f'attachment; filename="{model.name}"'}
    return Response(model.content, media_type=MEDIA_TYPE, headers=headers)


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
def predict(
    sweep_id: SweepId, number: TrialNumber, body: schemas.PredictionRequest, session: DatabaseSession
) -> schemas.PredictionOut:
    """What the trial's network sees in rows of numbers; 409 where its weights were not kept. Nothing is stored.

    Images are made to rows by the page of the model, or by `perceptune predict`.
    """
    return prediction.predict(session, sweep_id, number, body)

"""Trained models."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.domain.body import Body

MAX_PREDICTED_ROWS = 100
Pixel = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ModelOut(BaseModel):
    """Where a trial's model is, or will be."""

    ready: bool = Field(description="False while the trial is being trained again for it.")
    url: str


class PredictionRequest(Body):
    """Examples to classify."""

    rows: list[list[Pixel]] = Field(
        min_length=1,
        max_length=MAX_PREDICTED_ROWS,
        description="One row an example: as many numbers as the network has features, from 0 (black) to 1 (white), as "
        "it was trained on; pixels from left to right, then from top to bottom.",
    )
    run: int | None = Field(None, ge=0, le=2**31, description="Index of the seed; default: the best run.")


class Prediction(BaseModel):
    """What the network sees in one example."""

    label: str = Field(description="The most probable class.")
    probabilities: list[float] = Field(description="Of each class; they add up to 1.")


class PredictionOut(BaseModel):
    """What the network sees in each example."""

    run: int = Field(description="Index of the seed of the run whose network this is.")
    classes: list[str] = Field(description="In the order of the probabilities.")
    predictions: list[Prediction]

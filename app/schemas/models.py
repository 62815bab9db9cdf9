"""Trained models."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from pydantic.config import JsonDict

from app.domain.body import Body

MAX_PREDICTED_ROWS = 100
_CELL: JsonDict = {"type": ["number", "string", "boolean", "null"]}
_ROW: JsonDict = {"anyOf": [{"type": "array", "items": _CELL}, {"type": "object", "additionalProperties": _CELL}]}
Row = Annotated[Any, WithJsonSchema(_ROW)]  # what it may hold, the model says that is asked


class ModelOut(BaseModel):
    """Where a trial's model is, or will be."""

    ready: bool = Field(description="False while the trial is being trained again for it.")
    url: str


class PredictionRequest(Body):
    """Examples to classify."""

    rows: list[Row] = Field(
        min_length=1,
        max_length=MAX_PREDICTED_ROWS,
        description="One row an example. Of images as many numbers as the network has features, from 0 (black) to 1 "
        "(white), as it was trained on; pixels from left to right, then from top to bottom. Of a data set that was "
        "stored from a table the values as they are there: an object by the columns' names, or a list in their order.",
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

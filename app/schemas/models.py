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
    """Examples to predict the classes, or the numbers, of."""

    rows: list[Row] = Field(
        min_length=1,
        max_length=MAX_PREDICTED_ROWS,
        description="One row an example. Of images as many numbers as the network has features, from 0 (black) to 1 "
        "(white), as it was trained on; pixels from left to right, then from top to bottom. Of a data set that was "
        "stored from a table the values as they are there: an object by the columns' names, or a list in their order. "
        "Of other numbers those that its data have, in their units.",
    )
    run: int | None = Field(None, ge=0, le=2**31, description="Index of the seed; default: the best run.")


class Prediction(BaseModel):
    """What the network sees in one example."""

    label: str | None = Field(description="The most probable class; null where it gives a number.")
    probabilities: list[float] = Field(description="Of each class; they add up to 1. Empty where it gives a number.")
    number: float | None = Field(description="Where the target is a number: that, in its unit.")


class PredictionOut(BaseModel):
    """What the network sees in each example."""

    run: int = Field(description="Index of the seed of the run whose network this is.")
    classes: list[str] = Field(description="In the order of the probabilities; empty where it gives a number.")
    quantity: str = Field(description="What the number is; empty where examples have classes.")
    unit: str = Field(description="What it is counted in.")
    predictions: list[Prediction]

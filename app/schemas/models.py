"""Trained models."""

from pydantic import BaseModel, Field


class ModelOut(BaseModel):
    """Where a trial's model is, or will be."""

    ready: bool = Field(description="False while the trial is being trained again for it.")
    url: str

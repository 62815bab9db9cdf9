"""The bodies that ask for more of the best configurations: further seeds, or more epochs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.domain.body import Body


class RerunTop(Body):
    """How many of the best configurations are trained again, and with how many further seeds."""

    k: int = Field(5, ge=1, le=1000, description="Configurations, by the sweep's `best_by`.")
    seeds: int = Field(
        10, ge=1, le=1000, description="Further runs of each, rounded up to a multiple of the sweep's seeds a trial."
    )


class RerunTrial(Body):
    """With how many further seeds a trial's configuration is trained again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seeds": 5}]})

    seeds: int = Field(
        5, ge=1, le=1000, description="Further runs, rounded up to a multiple of the sweep's seeds a trial."
    )


class RerunTrials(BaseModel):
    """What became of the call."""

    trials: list[int] = Field(description="The new trials, of the same configuration; each has as many runs as any.")


Epochs = Annotated[int, Field(ge=2, le=10_000, description="All epochs that it shall have, those so far included.")]


class ContinueTrial(Body):
    """How long a complete trial is trained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"epochs": 30}]})

    epochs: Epochs


class ContinueTop(Body):
    """How many of the best configurations are trained longer, and how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"top": 3, "epochs": 30}]})

    top: int = Field(3, ge=1, le=1000, description="Configurations, by the sweep's `best_by`.")
    epochs: Epochs


class NotContinued(BaseModel):
    """A trial that could not go on."""

    trial: int
    reason: str


class ContinuedTrials(BaseModel):
    """What became of the call."""

    trials: list[int] = Field(description="The new trials; their `continued_from` are the ones that they go on from.")
    left_out: list[NotContinued]

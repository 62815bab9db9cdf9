"""Warm starts: the earlier sweeps whose best configurations a sweep tries first, and what became of that."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from app.domain.body import Body
from app.domain.sweep_limits import MAX_WARM_STARTED_TRIALS, MAX_WARM_STARTING_SWEEPS

SweepNumber = Annotated[int, Field(ge=1, lt=2**62)]
SweepNumbers = Annotated[list[SweepNumber], Field(min_length=1, max_length=MAX_WARM_STARTING_SWEEPS)]


class WarmStartOptions(Body):
    """Earlier sweeps, and how many of their best configurations are tried first."""

    sweeps: SweepNumbers = Field(description="Sweeps on the same data set, with the same first objective.")
    trials: int = Field(
        5, ge=1, le=MAX_WARM_STARTED_TRIALS, description="At most so many configurations, and at most `n_trials`."
    )


def _with_sweeps(value: object) -> object:
    """The options as an object: a list is that of the sweeps."""
    return {"sweeps": value} if isinstance(value, Sequence) and not isinstance(value, str) else value


WarmStart = Annotated[
    WarmStartOptions, BeforeValidator(_with_sweeps, json_schema_input_type=SweepNumbers | WarmStartOptions)
]


class LeftOut(BaseModel):
    """A configuration that was not tried first, though it is among the best."""

    sweep: int
    trial: int | None = Field(description="Its first trial's number; null where the sweep has no complete trial.")
    reason: str


class WarmStarted(BaseModel):
    """What became of a warm start."""

    trials: int = Field(ge=0, description="Configurations that were taken: the sweep's first trials.")
    left_out: list[LeftOut] = Field(description="Better ones that don't lie within this sweep's space; at most 20.")

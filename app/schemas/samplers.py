"""How configurations are chosen, and the options of each way."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.schemas.base import Body


class GridSampler(Body):
    """Every cell of the space, once."""

    name: Literal["grid"]


class RandomSampler(Body):
    """Independent draws from the space."""

    name: Literal["random"]


class TPESampler(Body):
    """Tree-structured Parzen estimator: draws more where trials did well. Options as in Optuna."""

    name: Literal["tpe"]
    n_startup_trials: int = Field(10, ge=0, le=1000, description="Random trials before the model is used.")
    n_ei_candidates: int = Field(24, ge=1, le=1000, description="Candidates a draw is chosen from.")


SamplerName = Literal["grid", "random", "tpe"]
SamplerOptions = Annotated[GridSampler | RandomSampler | TPESampler, Field(discriminator="name")]


def _with_options(given: object) -> object:
    """A sampler's bare name means its default options."""
    return {"name": given} if isinstance(given, str) else given


Sampler = Annotated[SamplerOptions, BeforeValidator(_with_options, json_schema_input_type=SamplerName | SamplerOptions)]

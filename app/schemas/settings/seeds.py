"""Seeds: how often each configuration is trained, all alike or the better ones more often."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationInfo, WrapValidator, field_validator

from app.domain.body import Body
from app.domain.sweep_limits import MAX_SEEDS

SeedCount = Annotated[int, Field(ge=1, le=MAX_SEEDS)]
_SEED_COUNT: TypeAdapter[int] = TypeAdapter(SeedCount)


class SurvivorSeeds(Body):
    """Runs of every configuration, and of those that survive."""

    first: SeedCount = Field(description="Runs of every configuration.")
    survivors: SeedCount = Field(
        description="Runs of those among the best third after their first runs; a multiple of `first`."
    )

    @field_validator("survivors")
    @classmethod
    def _is_multiple(cls, survivors: int, info: ValidationInfo) -> int:
        first = info.data.get("first")
        if first is not None and (survivors <= first or survivors % first):
            raise ValueError(f"must be a multiple of first and more than that: {2 * first}, {3 * first}, …")
        return survivors


def _validate(value: object, _: Any) -> int | SurvivorSeeds:
    """One kind or the other, so that an error names the field and not both kinds."""
    if isinstance(value, SurvivorSeeds):
        return value
    return (
        SurvivorSeeds.model_validate(value)
        if isinstance(value, dict)
        else _SEED_COUNT.validate_python(value, strict=True)
    )


Seeds = Annotated[SeedCount | SurvivorSeeds, WrapValidator(_validate)]

"""The body that asks for the best configurations to be trained again."""

from pydantic import Field

from app.domain.body import Body


class RerunTop(Body):
    """How many of the best configurations are trained again, and with how many further seeds."""

    k: int = Field(5, ge=1, le=1000, description="Configurations, by the sweep's `best_by`.")
    seeds: int = Field(
        10, ge=1, le=1000, description="Further runs of each, rounded up to a multiple of the sweep's seeds a trial."
    )

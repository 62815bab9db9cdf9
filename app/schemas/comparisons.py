"""Several sweeps side by side."""

from pydantic import BaseModel, Field

from app.schemas.sweeps import SweepOut


class SetupRow(BaseModel):
    """One field of the sweeps' setup."""

    field: str = Field(description="As the body names it, `space.learning_rate` for a hyperparameter.")
    values: list[str] = Field(description="How each sweep has it, in words; `–` where it has no such thing.")
    differs: bool


class BestGap(BaseModel):
    """How far a sweep's best configuration is behind the best of all that are compared."""

    sweep: int
    behind: float = Field(description="0 for the best itself. Both are means over their runs.")
    standard_error: float | None = Field(
        description="Of that difference, from the spread over the runs of both; null where one of them ran once, and "
        "for the best itself. It knows nothing of how many configurations each was chosen from."
    )


class Comparison(BaseModel):
    """Sweeps side by side: what differs in their setup first."""

    sweeps: list[SweepOut] = Field(description="In the order in which they were asked for.")
    setup: list[SetupRow]
    not_comparable: list[str] = Field(
        description="Why their values can't be compared: other data, another split or metric. Empty where they can."
    )
    remarks: list[str] = Field(description="What to bear in mind where they can.")
    gaps: list[BestGap] = Field(description="Empty where values can't be compared.")

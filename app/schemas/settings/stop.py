"""The rules by which a sweep stops before its budget is used up."""

from typing import Annotated

from pydantic import Field

from app.domain.body import Body
from app.domain.sweep_limits import MAX_TRIALS

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class StopRules(Body):
    """Each is looked at whenever a trial ends. The first that holds stops the sweep: running trials finish."""

    seconds: _Finite | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Since the first trial started, pauses included; not the time in which it had ended.",
    )
    target: _Finite | None = Field(None, description="A value of the (first) objective that is good enough.")
    no_improvement: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Trials that have ended since the best one without being better."
    )
    failures: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Trials with consecutive numbers that have failed, whatever the reason."
    )

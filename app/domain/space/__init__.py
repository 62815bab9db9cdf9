"""The search space: what a sweep may try. Pure: no database, no Optuna."""

from app.domain.space.conditions import Condition
from app.domain.space.constraints import Constraints, parse_constraints
from app.domain.space.domains import Choice, Constant, Domain, Range
from app.domain.space.parsing import parse_space
from app.domain.space.search_space import MAX_GRID_CELLS, Space
from app.domain.space.sizes import (
    MAX_MODEL_PARAMETERS,
    MAX_TRIAL_BYTES,
    check_model_fits,
    largest_trial,
)

__all__ = [
    "MAX_GRID_CELLS",
    "MAX_MODEL_PARAMETERS",
    "MAX_TRIAL_BYTES",
    "Choice",
    "Condition",
    "Constant",
    "Constraints",
    "Domain",
    "Range",
    "Space",
    "check_model_fits",
    "largest_trial",
    "parse_constraints",
    "parse_space",
]

"""The search space: what a sweep may try. Pure: no database, no Optuna."""

from app.space.conditions import Condition
from app.space.constraints import Constraints, parse_constraints
from app.space.domains import Choice, Constant, Domain, Range
from app.space.parsing import parse_space
from app.space.search_space import MAX_GRID_CELLS, Space
from app.space.sizes import (
    MAX_MODEL_PARAMETERS,
    MAX_TRIAL_BYTES,
    check_model_fits,
    largest_trial,
    layer_shapes,
    parameter_count,
    training_cost,
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
    "layer_shapes",
    "parameter_count",
    "parse_constraints",
    "parse_space",
    "training_cost",
]

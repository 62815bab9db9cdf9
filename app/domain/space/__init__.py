"""Search spaces: domains, conditions and constraints, sizes, and how a space may grow."""

from app.domain.space.conditions import Condition
from app.domain.space.constraint_parsing import parse_constraints
from app.domain.space.constraints import Constraints
from app.domain.space.domains import Choice, Constant, Domain, Range
from app.domain.space.parsing import parse_space
from app.domain.space.search_space import Space
from app.domain.space.sizes import check_model_fits, largest_trial, runs_in_memory

__all__ = [
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
    "runs_in_memory",
]

"""Checks of a sweep's body that need more than one of its fields."""

from collections.abc import Mapping

from app.domain.datasets import DATASETS
from app.domain.space import Space, check_model_fits, parse_constraints, parse_space
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate
from app.sweeps.search_checks import check_search


def checked(body: SweepCreate) -> tuple[Space, int]:
    """The space and the number of trials, of a grid that of its feasible cells. Raises InvalidError."""
    check_text({"name": body.name, "notes": body.notes})
    check_search(body)
    space = parse_space(body.space)
    shape = DATASETS[body.dataset].shape
    constraints = parse_constraints(body.constraints, space, shape)
    check_model_fits(space, shape, body.seeds, constraints.max_parameters())
    if body.sampler.name != "grid":
        if body.n_trials is None:
            missing = FieldError(("n_trials",), "is missing: say how many trials, or use the sampler grid")
            raise InvalidError("The budget is missing.", [missing])
        return space, body.n_trials
    cells = space.grid_size()
    if constraints.items:
        cells = sum(constraints.broken(cell) is None for cell in space.grid())
        if not cells:
            raise InvalidError(
                "The grid is empty.", [FieldError(("constraints",), "are satisfied by no cell of the grid")]
            )
    if body.n_trials not in {None, cells}:
        other = FieldError(("n_trials",), f"must be {cells}, the number of cells, or be left out for a grid")
        raise InvalidError("A grid is every cell once.", [other])
    return space, cells


def check_text(texts: Mapping[str, str]) -> None:
    """Raises InvalidError for what Postgres can't store, by the name of the field."""
    errors = [FieldError((name,), "can't contain the character U+0000") for name, one in texts.items() if "\0" in one]
    if errors:
        raise InvalidError("A text has a character that can't be stored.", errors)

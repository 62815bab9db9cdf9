"""Parameters that somebody gives lie within the space, and are its own values."""

from app.domain.space import parse_space
from app.domain.space.membership import complete_params


def test_a_value_on_a_step_is_that_of_the_step() -> None:
    """Three tenths that were computed are the 0.3 of the range, so both are the same configuration."""
    space = parse_space({"dropout": {"low": 0, "high": 0.9, "step": 0.1}, "momentum": {"low": 0.0, "high": 1.0}})
    assert complete_params(space, {"dropout": 3 * 0.1, "momentum": 3 * 0.1}) == {"dropout": 0.3, "momentum": 3 * 0.1}

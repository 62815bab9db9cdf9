"""What the service's random sampler draws, known beforehand: it depends on sweep seed and trial number alone."""

from typing import Any

from app import study
from app.space import parse_space


def drawn(space: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The parameters of the first trials of a random sweep with seed 0."""
    parsed = parse_space(space)
    empty = study.study_from_rows(parsed, [], maximize=True)
    return [study.ask(empty, parsed, "random", {}, study.sampler_seed(0, number)) for number in range(count)]

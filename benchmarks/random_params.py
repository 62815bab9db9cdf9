"""The parameters that a random sweep chooses; they depend on its seed and the trial's number alone."""

from typing import Any

from app.domain.space import parse_space
from app.search.samplers import AskSeed
from app.search.search import Search


def random_params(space: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The parameters of the first trials of a random sweep with seed 0."""
    search = Search(parse_space(space), {"name": "random"})
    return [search.ask(AskSeed(0, number)) for number in range(count)]

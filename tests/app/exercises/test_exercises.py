from typing import get_args

import pytest

from app.domain.datasets import DATASETS
from app.errors import NotFoundError
from app.exercises.exercise import Exercise
from app.exercises.preset import Preset
from app.exercises.registry import EXERCISES, exercise
from app.schemas import SweepCreate
from app.sweeps.body_checks import check_body, with_objective
from tests.support.paths import ROOT

ALL = pytest.mark.parametrize("entry", EXERCISES.values(), ids=lambda entry: str(entry.number))


def test_exercises_are_found_by_number() -> None:
    """An unknown number is told which exist."""
    assert exercise(1) is EXERCISES[1]
    assert list(EXERCISES) == sorted(EXERCISES)
    with pytest.raises(NotFoundError, match="no exercise 10; there are 1"):
        exercise(10)


@ALL
def test_its_page_of_the_docs_says_what_it_trains(entry: Exercise) -> None:
    """docs/exercises.md has the title and what `full` is, as the page says them."""
    text = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    assert f"| {entry.number} | {entry.title} | {entry.whole} |" in text


@ALL
@pytest.mark.parametrize("preset", get_args(Preset))
def test_its_sweeps_can_be_posted(entry: Exercise, preset: Preset) -> None:
    """Each body is valid, and says in its name which exercise and preset it is of."""
    for body in entry.sweeps(preset).values():
        sweep = SweepCreate.model_validate(body)
        dataset = DATASETS[sweep.dataset]
        check_body(with_objective(sweep, dataset), dataset)
        assert body["name"].startswith(f"Exercise {entry.number}: ")
        assert preset in body["name"]

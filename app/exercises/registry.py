"""The exercises that can be run, by number."""

from app.errors import NotFoundError
from app.exercises.exercise import Exercise
from app.exercises.hidden_layers import HIDDEN_LAYERS
from app.exercises.hidden_units import HIDDEN_UNITS
from app.exercises.joint_search import JOINT_SEARCH

EXERCISES: dict[int, Exercise] = {entry.number: entry for entry in (HIDDEN_UNITS, HIDDEN_LAYERS, JOINT_SEARCH)}


def exercise(number: int) -> Exercise:
    """The exercise of that number. Raises NotFoundError, which names those that exist."""
    if number not in EXERCISES:
        raise NotFoundError(f"There is no exercise {number}; there are {', '.join(map(str, EXERCISES))}.")
    return EXERCISES[number]

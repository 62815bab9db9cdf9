"""The exercises that can be run, by number."""

from app.errors import NotFoundError
from app.exercises.activations.exercise import ACTIVATION
from app.exercises.exercise import Exercise
from app.exercises.hidden_layers.exercise import HIDDEN_LAYERS
from app.exercises.hidden_units import HIDDEN_UNITS
from app.exercises.implementations.exercise import IMPLEMENTATIONS
from app.exercises.initializations.exercise import INITIALIZATION
from app.exercises.joint_search.exercise import JOINT_SEARCH
from app.exercises.learning_rate.exercise import LEARNING_RATE
from app.exercises.matrix_products.exercise import MATRIX_PRODUCTS
from app.exercises.one_neuron.exercise import ONE_NEURON

_ALL = (
    HIDDEN_UNITS,
    HIDDEN_LAYERS,
    ONE_NEURON,
    LEARNING_RATE,
    JOINT_SEARCH,
    IMPLEMENTATIONS,
    MATRIX_PRODUCTS,
    ACTIVATION,
    INITIALIZATION,
)

EXERCISES: dict[int, Exercise] = {entry.number: entry for entry in _ALL}


def exercise(number: int) -> Exercise:
    """The exercise of that number. Raises NotFoundError, which names those that exist."""
    if number not in EXERCISES:
        raise NotFoundError(f"There is no exercise {number}; there are {', '.join(map(str, EXERCISES))}.")
    return EXERCISES[number]

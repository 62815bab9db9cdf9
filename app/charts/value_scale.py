"""The scale of a metric's values for colours and axes: accuracy by the logarithm of its error, R² by itself."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypedDict

from app.charts.titles import value_title
from app.domain.objectives import Objective

LEAST_ERROR = 1e-4  # one of ten thousand images: no error has a logarithm
LEAST_VALUE = 1e-6
LEAST_R2 = -1.0  # twice the variance is left: what is worse is as bad, and would press all others together
Kind = Literal["error", "log", "linear"]
TICKS = 5


class Ticks(TypedDict):
    """Ticks as plotly takes them."""

    tickvals: list[float]
    ticktext: list[str]


class ValueScale(NamedTuple):
    """Where values lie: an accuracy by its error, a loss by its logarithm, R² as it is; better is always higher."""

    objective: Objective

    @property
    def name(self) -> str:
        """`Validation accuracy`."""
        return value_title(self.objective.metric)

    @property
    def note(self) -> str:
        """What the subtitle says of it."""
        notes = {"error": "log scale of the error, 1 − accuracy", "log": "log scale", "linear": "R², below −1 as −1"}
        return notes[self.kind]

    @property
    def kind(self) -> Kind:
        """By the logarithm of 1 minus itself, by its own logarithm, or as it is."""
        metric = self.objective.metric
        return "error" if metric.endswith("accuracy") else "linear" if metric.endswith("r2") else "log"

    def place(self, value: float) -> float:
        """The value's place, higher for better."""
        if self.kind == "error":
            place = -math.log10(max(1.0 - value, LEAST_ERROR))
        else:
            place = math.log10(max(value, LEAST_VALUE)) if self.kind == "log" else max(value, LEAST_R2)
        return place if self.objective.maximize else -place

    def ticks(self, values: Iterable[float], count: int = TICKS) -> Ticks:
        """A handful of ticks over the range of the values, evenly: round values as texts, and their places."""
        places = [self.place(value) for value in values]
        low, high = min(places), max(places)
        steps = [low + (high - low) * step / (count - 1) for step in range(count)]
        numbers = _rounded([self._value(step) for step in steps])
        by_text = {f"{number:g}": self.place(number) for number in numbers}
        room = 0.02 * (high - low)
        inner_ticks = {text: place for text, place in by_text.items() if low - room <= place <= high + room}
        return Ticks(tickvals=list(inner_ticks.values()), ticktext=list(inner_ticks))

    def _value(self, place: float) -> float:
        place = place if self.objective.maximize else -place
        if self.kind == "linear":
            return place
        return 1.0 - 10**-place if self.kind == "error" else 10**place


def _rounded(values: Sequence[float]) -> list[float]:
    """The values with two significant figures, or as many more as it takes to tell them apart.

    The first and the last are rounded towards the others, so that they stay in the range.
    """
    low, high = min(values), max(values)
    for digits in (2, 3, 4, 5):
        numbers = [float(f"{value:.{digits}g}") for value in values]
        if len(set(numbers)) == len(numbers):
            break
    unit = {number: 10.0 ** (math.floor(math.log10(abs(number))) - digits + 1) if number else 0.0 for number in numbers}
    inward = (number + unit[number] * ((number < low) - (number > high)) for number in numbers)
    return [float(f"{number:.{digits}g}") for number in inward]

"""A condition that trials have to satisfy to be in sight: `depth=1`, `activation=relu|tanh`, `value>=0.9`."""

import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import ge, gt, le, lt

from app.charts.labels import label
from app.charts.options import refuse
from app.charts.rows import SweepRow, TrialRow
from app.domain.hyperparameters import is_number

_CONDITION = re.compile(r"([a-z_0-9]+)(<=|>=|!=|=|<|>)(.+)")
VALUE = "value"  # what a trial came to, where a condition has no hyperparameter
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Condition:
    """`depth=1`: what a trial's hyperparameter, or its value, has to be."""

    name: str
    operator: str
    value: str

    @property
    def text(self) -> str:
        """As a query string has it: `depth=1`."""
        return f"{self.name}{self.operator}{self.value}"

    @property
    def note(self) -> str:
        """As people read it: `depth = 1`, `activation = relu or tanh`."""
        return f"{self.name} {self.operator} {' or '.join(self.value.split('|'))}"

    def holds(self, trial: TrialRow) -> bool:
        """Whether the trial has the hyperparameter, and it is so."""
        value = trial.value if self.name == VALUE else trial.params.get(self.name)
        if value is None:
            return False
        if self.operator in _COMPARISONS:
            return is_number(value) and _COMPARISONS[self.operator](value, self._bound)
        is_one = value in self._numbers if is_number(value) else label(value) in self._labels
        return is_one == (self.operator == "=")

    # Told once, not for each of 100,000 trials.

    @cached_property
    def _bound(self) -> float:
        return float(self.value)

    @cached_property
    def _numbers(self) -> frozenset[float]:
        return frozenset(float(text) for text in self.value.split("|") if is_numeric(text))

    @cached_property
    def _labels(self) -> frozenset[str]:
        return frozenset(html.escape(text) for text in self.value.split("|"))


def parse_condition(sweep: SweepRow, text: str) -> Condition:
    """The condition of a query string. Raises InvalidError."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        refuse("where", f"must be like depth=1 or learning_rate<0.1, several with commas between them, not {text!r}")
    name, operator, value = match.groups()
    if name not in (*sweep.axes, VALUE):
        refuse("where", f"{name!r} is not a hyperparameter of this sweep; there are {', '.join(sweep.axes)}")
    if operator in _COMPARISONS and not is_numeric(value):
        refuse("where", f"{name} can be compared by {operator} with a number alone, not {value!r}")
    return Condition(name, operator, value)


def is_numeric(text: str) -> bool:
    """Whether the text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

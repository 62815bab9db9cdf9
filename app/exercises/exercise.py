"""An exercise of the book: a question, the sweeps that answer it, charts, and an answer from the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from app.charts.rows import SweepRow, TrialRow

Preset = Literal["quick", "full"]


class ExerciseChart(NamedTuple):
    """A chart of the exercise's sweep."""

    name: str
    title: str
    chart: str  # its name in the charts' registry
    query: Mapping[str, str]  # its options


@dataclass(frozen=True)
class Answer:
    """What the data says so far."""

    text: str
    """Paragraphs, divided by empty lines."""
    header: Sequence[str]
    """The columns of a table of formatted text."""
    rows: Sequence[Sequence[str]]
    """The rows of that table."""
    figures: Mapping[str, float | int | None] = field(default_factory=dict)
    """The numbers in the text."""
    final: bool = False
    """False while trials are still to come."""


@dataclass(frozen=True)
class Exercise:
    """One exercise, as a value that says how to run it and how to read its results."""

    number: int
    """Its number in the book."""
    title: str
    """What lists call it."""
    question: str
    """What it asks, in our words."""
    parts: tuple[str, ...]
    """What an answer has to give."""
    source: str
    """Where the question comes from."""
    sweeps: Callable[[Preset], list[dict[str, Any]]]
    """Gives the bodies to post for a preset."""
    charts: tuple[ExerciseChart, ...]
    """What shows the answer."""
    answer: Callable[[SweepRow, Sequence[TrialRow]], Answer]
    """Reads the answer from the first sweep's trials, finished or not."""

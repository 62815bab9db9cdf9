"""What an exercise of the book is to us: a question, the sweeps that answer it, charts, and an answer from the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from app.charts.rows import SweepRow, TrialRow

Preset = Literal["quick", "full"]


class ExerciseChart(NamedTuple):
    """A chart of the exercise's sweep: `chart` and `query` are those of the charts' registry."""

    name: str
    title: str
    chart: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the data says so far. `text` has paragraphs divided by empty lines; `figures` are the numbers in it.

    `header` and `rows` are a table of formatted text; `final` is False while trials are still to come.
    """

    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, float | int | None] = field(default_factory=dict)
    final: bool = False


@dataclass(frozen=True)
class Exercise:
    """`question` and `parts` are in our words, `source` names where they come from.

    `sweeps` gives the bodies to post for a preset; `answer` reads the first one's trials, finished or not.
    """

    number: int
    title: str
    question: str
    parts: tuple[str, ...]
    source: str
    sweeps: Callable[[Preset], list[dict[str, Any]]]
    charts: tuple[ExerciseChart, ...]
    answer: Callable[[SweepRow, Sequence[TrialRow]], Answer]

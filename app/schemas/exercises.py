"""The exercises of the book, their runs and answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.body import Body
from app.schemas.base import UtcTime
from app.schemas.sweeps import SweepOut
from app.schemas.system import ChartOut


class ExerciseOut(BaseModel):
    """An exercise of the book, in our words."""

    number: int
    title: str
    question: str
    parts: list[str]
    source: str
    charts: list[ChartOut]


class AnswerOut(BaseModel):
    """What the data says: words with paragraphs divided by empty lines, a table, and the numbers in the words."""

    text: str
    header: list[str]
    rows: list[list[str]]
    figures: dict[str, float | int | None]
    final: bool = Field(description="False while trials are still to come.")


class ExerciseRunCreate(Body):
    """How thoroughly the exercise is to be answered."""

    preset: Literal["quick", "full"] = Field("quick", description="`full` has the book's widths and epochs.")


class ExerciseRunItem(BaseModel):
    """A run of an exercise in the list of them."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    preset: str
    state: str = Field(description="That of the sweep that is furthest behind.")
    created_at: UtcTime
    sweeps: list[int] = Field(description="Their numbers.")


class ExerciseRunOut(BaseModel):
    """A run of an exercise as it stands."""

    id: int
    preset: str
    state: str
    progress: float
    sweeps: list[SweepOut]
    answer: AnswerOut


class ExerciseWithRun(ExerciseOut):
    """An exercise with its latest run."""

    latest_run: ExerciseRunOut | None

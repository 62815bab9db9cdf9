"""The exercises of the book, their runs and answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.body import Body
from app.domain.configuration import MAX_DEPTH
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


class FindingOut(BaseModel):
    """One thing that the rows show."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    text: str
    estimate: float | None
    interval: tuple[float, float] | None = Field(description="Of 95 % confidence.")
    n: int = Field(description="The runs, or pairs of runs, that it rests on.")
    unit: str
    settings: dict[str, Any] = Field(description="The hyperparameters that it is about.")


class AnswerOut(BaseModel):
    """What the data says: a sentence, findings, how sure they are, what could go wrong, and a table."""

    sentence: str = Field(description="Answers the question.")
    findings: list[FindingOut]
    certainty: str = Field(description="How sure this is.")
    caveats: list[str] = Field(description="What could go wrong, and what was not tested.")
    text: str = Field(description="All of these in paragraphs, divided by empty lines.")
    header: list[str]
    rows: list[list[str]]
    best_row: int | None = Field(description="The index of the row that is the best.")
    figures: dict[str, float | None] = Field(description="The estimates of the findings, by name.")
    final: bool = Field(description="False while trials are still to come.")


class ExerciseRunCreate(Body):
    """How thoroughly the exercise is to be answered."""

    preset: Literal["quick", "full"] = Field("quick", description="`quick` takes at most two minutes on two cores.")


class ExerciseTry(Body):
    """A value that a reader tries."""

    value: (
        int | Annotated[float, Field(allow_inf_nan=False)] | str | Annotated[list[int], Field(max_length=MAX_DEPTH)]
    ) = Field(description="Of the hyperparameter of the exercise's slider, e.g. 37.")


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

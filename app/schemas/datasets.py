"""Data sets: those that sweeps can name, and what becomes of the columns of a file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.domain.datasets import Target
from app.domain.tables.options import DatasetName, TableOptions, TableTask, WithoutNull
from app.schemas.base import UtcTime


class UploadOptions(TableOptions):
    """How a posted file becomes a data set."""

    name: DatasetName
    source: Annotated[str, WithoutNull] = Field("", max_length=200, description="The name of the file, to be shown.")
    reuse: bool = Field(False, description="Whether the same data under another name are taken in place of a refusal.")


class TableColumn(BaseModel):
    """A column of a file, and what was done with it."""

    name: str
    type: str = Field(description="Numbers, whole numbers, true or false, dates, text, or empty.")
    missing: int = Field(description="Rows without a value.")
    distinct: int = Field(description="Different values.")
    examples: list[str] = Field(description="The first of them in their order.")
    features: int = Field(description="Numbers that it becomes for a network.")
    use: str = Field(description="What was done with it: scaled, made a feature for each text, or left out, and why.")


class DatasetPreview(BaseModel):
    """What would become of a file; nothing is stored. Without a target its columns alone are described."""

    rows: int
    columns: list[TableColumn]
    notes: list[str]
    names: list[str] = Field(description="Of all columns: each can be the target.")
    target: str | None = Field(
        description="Null where none was named, and none that can be one is called target, class, label, species or y."
    )
    task: TableTask | None = Field(description="What networks would learn of it, as named or as proposed.")
    features: int | None = None
    train: int | None = None
    held_out: int | None = None
    test: int | None = None
    labels: list[str] | None = Field(None, description="Names of the classes; null where the target is a number.")
    unit: str = Field("", description="What the number is counted in.")
    ranges: list[float] = Field(default_factory=list, description="Edges of ranges of the number.")
    class_counts: dict[str, list[int]] | None = Field(
        None, description="Rows of each class, or with a number in each range: of `train`, `held_out` and `test`."
    )


class DatasetOut(BaseModel):
    """A data set that sweeps can name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    features: int
    target: Target = Field(description="Whether an example has a class (classification) or a number (regression).")
    quantity: str = Field(description="What the number is; empty where examples have classes.")
    unit: str = Field(description="What it is counted in.")
    classes: int = Field(description="0 where the target is a number.")
    train: int
    test: int
    held_out: int
    source: str
    labels: list[str] = Field(description="Names of the classes, in the order of their numbers.")
    class_counts: dict[str, list[int]] = Field(
        description="Examples of each class, or with a number in each range: of `train`, of those of them that are "
        "`held_out`, and of `test`."
    )
    ranges: list[float] = Field(
        description="Where the ranges of the number begin and end: one more than there are ranges. Empty of classes."
    )
    feature_names: list[str] = Field(description="Empty where features have no names, as pixels.")
    content_hash: str | None = Field(description="SHA-256 of what is stored of it; null where it is built in.")


class DatasetDetail(DatasetOut):
    """A data set, with what was done with the columns of its file where it was stored from one."""

    bytes: int | None = Field(description="Of what is stored; null where it is built in.")
    rows: int | None
    target_column: str | None = Field(description="Of the file; null where it is built in.")
    columns: list[TableColumn]
    notes: list[str]
    created_at: UtcTime | None

"""The options of a data set that is made of a table: its target, its split, and which columns are read how."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.datasets import MAX_NAME_LENGTH

NAME_PATTERN = r"^[a-z][a-z0-9_-]*$"
MAX_COLUMN_NAME = 200
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_COLUMN_NAME, pattern=r"^[^\x00]*$")]
Share = Annotated[float, Field(gt=0, le=0.5)]


class TableOptions(BaseModel):
    """How a table becomes a data set."""

    model_config = ConfigDict(extra="forbid")

    target: ColumnName | None = Field(
        None, description="The column to tell from the others; left out, one that is called target, class or label."
    )
    test_share: Share = Field(0.2, description="Of all rows, those to test on, where the file does not say which.")
    held_out_share: Share = Field(0.2, description="Of the rows that are left, those that `holdout` validates on.")
    stratified: bool = Field(True, description="Whether each class is split in these shares.")
    seed: int = Field(0, ge=0, lt=2**31, description="Which rows they are.")
    drop: list[ColumnName] = Field(default_factory=list, max_length=1000, description="Columns to leave out.")
    category: list[ColumnName] = Field(
        default_factory=list, max_length=1000, description="Columns of numbers that are names, such as postal codes."
    )


DatasetName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH, pattern=NAME_PATTERN),
    Field(description="By which sweeps name it: small letters, digits, - and _."),
]


def name_of_file(file_name: str) -> str:
    """A name for the data set in a file: `iris` for `Iris.csv.gz`."""
    stem = file_name.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0].lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", stem).strip("_-")
    name = name if re.match(r"[a-z]", name) else f"data_{name}".rstrip("_")
    return name[:MAX_NAME_LENGTH]

"""The options of a data set that is made of a table: its target, its split, and which columns are read how."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.body import Matching
from app.domain.datasets import MAX_NAME_LENGTH

MAX_COLUMN_NAME = 200
WithoutNull = Matching(r"[^\x00]*", "a text without null characters")
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_COLUMN_NAME), WithoutNull]
MAX_UNIT = 40
TableTask = Literal["classification", "regression"]
Share = Annotated[float, Field(gt=0, le=0.5)]


class TableOptions(BaseModel):
    """How a table becomes a data set."""

    model_config = ConfigDict(extra="forbid")

    target: ColumnName | None = Field(
        None,
        description="The column to tell from the others; left out, one that is called target, class, label, species "
        "or y.",
    )
    task: TableTask | None = Field(
        None,
        description="Whether the target is a class or a number. Left out, it is a number where it has fractions or "
        "more than 50 different whole numbers, and else a class.",
    )
    unit: Annotated[str, StringConstraints(max_length=MAX_UNIT), WithoutNull] = Field(
        "", description="What a target that is a number is counted in, to be shown."
    )
    test_share: Share = Field(0.2, description="Of all rows, those to test on, where the file does not say which.")
    held_out_share: Share = Field(0.2, description="Of the rows that are left, those that `holdout` validates on.")
    stratified: bool = Field(
        True, description="Whether each class is split in these shares, or the rows of each few neighbouring numbers."
    )
    split_by: ColumnName | None = Field(
        None,
        description="A column that says which part each row is in: train, validation or test. For a part that it does "
        "not name, rows to train on are taken by the shares.",
    )
    groups: ColumnName | None = Field(
        None, description="A column by whose values rows stay together: all of one value are in one part."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Which rows they are.")
    drop: list[ColumnName] = Field(default_factory=list, max_length=1000, description="Columns to leave out.")
    category: list[ColumnName] = Field(
        default_factory=list, max_length=1000, description="Columns of numbers that are names, such as postal codes."
    )

    @property
    def names_of_texts(self) -> set[str]:
        """The columns whose values are names, also where they look like numbers: `007` is not `7`."""
        return {*self.category, *filter(None, (self.split_by, self.groups))}


DatasetName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH),
    Matching(r"[a-z][a-z0-9_-]*", "a small letter, and after it small letters, digits, - and _"),
    Field(description="By which sweeps name it: small letters, digits, - and _."),
]

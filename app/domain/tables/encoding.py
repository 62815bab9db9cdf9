"""The encoding of a table: what becomes of each column, fitted on the rows to train on, for any row."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.domain.formatting import plural
from app.errors import FieldError, InvalidError

MISSING_TEXTS = frozenset({"", "?", "NA", "N/A", "na", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A"})
SECONDS_A_DAY = 86_400
MAX_DEVIATIONS = 1e15  # from the mean: networks calculate in float32, and further off their sums overflow

Cell = str | float | int | bool | None
ColumnKind = Literal["number", "date", "category"]


class EncodedColumn(BaseModel):
    """A column of a table that networks read."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: ColumnKind
    mean: float = 0.0
    """Of the rows to train on; a date counts as days since 1970."""
    scale: float = 1.0
    """The standard deviation over these rows, by which what is above the mean is divided."""
    categories: tuple[str, ...] = ()
    """A feature each, which is 1 where a row has it; a category that no row to train on has is 0 in all of them."""
    marks_missing: bool = False
    """Whether one more feature is 1 where the value is missing; a missing number counts as the mean."""

    @property
    def width(self) -> int:
        """Features that become of it."""
        return (len(self.categories) if self.kind == "category" else 1) + self.marks_missing

    def features_of(self, cell: object) -> list[float]:
        """The features of one value. Raises ValueError where it is none of this kind."""
        if not isinstance(cell, Cell):
            raise ValueError("must be a number, a text, true, false or null")
        text = as_text(cell)
        mark = [float(text is None)] if self.marks_missing else []
        if self.kind == "category":
            return [float(category == text) for category in self.categories] + mark
        if text is None:
            return [0.0, *mark]
        number = _days(text) if self.kind == "date" else _number(text)
        deviations = (number - self.mean) / self.scale
        if not abs(deviations) <= MAX_DEVIATIONS:
            raise ValueError(f"is too far from what was trained on, {self.mean:.4g} ± {self.scale:.4g}: {text[:40]}")
        return [deviations, *mark]


class Encoding(BaseModel):
    """What becomes of a table's columns, in their order in the file; those that are not named are left out."""

    model_config = ConfigDict(frozen=True)

    target: str
    columns: tuple[EncodedColumn, ...]

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        return [column.name for column in self.columns]

    @property
    def width(self) -> int:
        """Features of a row."""
        return sum(column.width for column in self.columns)

    def encode(self, rows: Sequence[Any]) -> list[list[float]]:
        """The features of rows: objects by the names of the columns, or lists in their order, the target left out.

        Raises InvalidError that names the row and the column.
        """
        errors: list[FieldError] = []
        encoded_rows = [self._encode(row, ("rows", place), errors) for place, row in enumerate(rows)]
        if errors:
            raise InvalidError("Some rows can't be used.", errors)
        return encoded_rows

    def _encode(self, row: Any, loc: tuple[str | int, ...], errors: list[FieldError]) -> list[float]:
        names = self.names
        if not isinstance(row, dict | list | tuple):
            errors.append(FieldError(loc, "must be an object with a value for each column, or a list of the values"))
            return []
        if not isinstance(row, dict):
            if len(row) != len(names):
                listing = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                count = plural(len(row), "value")
                errors.append(FieldError(loc, f"has {count}, and the network takes {len(names)}: {listing}"))
                return []
            row = dict(zip(names, row, strict=True))
        if absent := [name for name in names if name not in row]:
            errors.append(
                FieldError(loc, f"lacks {', '.join(map(repr, absent[:20]))}; null stands for a missing value")
            )
            return []
        features: list[float] = []
        for column in self.columns:
            try:
                features += column.features_of(row[column.name])
            except ValueError as error:
                errors.append(FieldError((*loc, column.name), str(error)))
        return features


def as_text(cell: Cell) -> str | None:
    """A value as its column's categories name it, None where it is missing: `true`, `3`, `2.5`, `red`."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    text = str(cell).strip()
    return None if text in MISSING_TEXTS else text


def _number(text: str) -> float:
    try:
        number = float({"true": "1", "false": "0"}.get(text.lower(), text))
    except ValueError:
        raise ValueError(f"must be a number, not {text[:40]!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number, not {text[:40]!r}")
    return number


def _days(text: str) -> float:
    """Days since 1970 of a date or time as ISO 8601 writes it; one without a zone counts as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a date such as {date(2026, 1, 31)}, not {text[:40]!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.timestamp() / SECONDS_A_DAY

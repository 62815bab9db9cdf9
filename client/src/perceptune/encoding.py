"""The encoding in a model of a table: how rows as they are in the table become what the network reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict

MISSING = frozenset({"", "?", "NA", "N/A", "na", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A"})
SECONDS_A_DAY = 86_400
MAX_DEVIATIONS = 1e15  # from the mean: networks calculate in float32, and further off their sums overflow


class EncodedColumn(BaseModel):
    """A column that the network reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    mean: float
    scale: float
    categories: list[str]
    marks_missing: bool

    def features_of(self, cell: Any) -> list[float]:
        """The features of one value. Raises ValueError."""
        text = _text(cell)
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
    """What becomes of the columns of a table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    target: str
    columns: list[EncodedColumn]

    def encode(self, rows: Any) -> Any:
        """[rows, features] of rows: a frame of pandas or polars, or a list of mappings or of values in order.

        Raises ValueError that names the row and the column.
        """
        if self._takes_at_once(rows) and (features := self._encode_numbers(rows.astype("float64"))) is not None:
            return features
        return [self._encode(place, row) for place, row in enumerate(_rows(rows), 1)]

    def _takes_at_once(self, rows: Any) -> bool:
        """Whether it is an array of NumPy's with a column of numbers for each that is read."""
        kind = getattr(getattr(rows, "dtype", None), "kind", None)  # frames have none
        if kind not in ("i", "u", "f") or rows.ndim != 2 or rows.shape[1] != len(self.columns):
            return False
        return all(column.kind == "number" for column in self.columns)

    def _encode_numbers(self, rows: Any) -> Any:
        """The same a column at a time, which is many times as fast; None where a number is too far off."""
        import numpy

        features = []
        for column, cells in zip(self.columns, rows.T, strict=True):
            is_missing = cells != cells
            features.append(numpy.where(is_missing, 0.0, (cells - column.mean) / column.scale))
            features += [is_missing] if column.marks_missing else []
        x = numpy.stack(features, axis=1)
        return x if (abs(x) <= MAX_DEVIATIONS).all() else None

    def _encode(self, place: int, row: Any) -> list[float]:
        names = [column.name for column in self.columns]
        if not isinstance(row, Mapping):
            if len(row) != len(names):
                raise ValueError(f"Row {place} has {len(row)} values, and the network takes {', '.join(names)}.")
            row = dict(zip(names, row, strict=True))
        features: list[float] = []
        for column in self.columns:
            if column.name not in row:
                raise ValueError(f"Row {place} lacks {column.name!r}.")
            try:
                features += column.features_of(row[column.name])
            except ValueError as error:
                raise ValueError(f"Row {place}, column {column.name!r}: {error}.") from None
        return features


def _rows(rows: Any) -> Iterable[Any]:
    if hasattr(rows, "to_dicts"):  # polars
        return list(rows.to_dicts())
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        return list(rows.to_dict("records"))
    return [rows] if isinstance(rows, Mapping) else list(rows)


def _text(cell: Any) -> str | None:
    """A value as categories name it, None where it is missing."""
    cell = cell.item() if hasattr(cell, "item") else cell  # numpy's
    if cell is None or (cell == cell) is not True:  # NaN, and NaT and NA of pandas, are not equal to themselves
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    text = str(cell).strip()
    return None if text in MISSING else text


def _number(text: str) -> float:
    try:
        number = float({"true": "1", "false": "0"}.get(text.lower(), text))
    except ValueError:
        raise ValueError(f"must be a number, not {text[:40]!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number, not {text[:40]!r}")
    return number


def _days(text: str) -> float:
    """Days since 1970; a time without a zone counts as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a date such as {date(2026, 1, 31)}, not {text[:40]!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.timestamp() / SECONDS_A_DAY

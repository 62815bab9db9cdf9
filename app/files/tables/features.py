"""The features of a column, fitted on the rows to train on, and in words what was done with it."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.formatting import plural
from app.domain.tables.encoding import EncodedColumn
from app.domain.tables.limits import MAX_CATEGORIES
from app.files.tables.typed_column import TypedColumn

Features = NDArray[np.float32]
_NEARLY_NUMBER = re.compile(r"\W{0,3}\d[\d\W]*\D{0,4}$")  # 1,000 EUR, or 31.01.2026


class ColumnFeatures(NamedTuple):
    """What becomes of a column that is read."""

    column: EncodedColumn
    features: Features
    """[rows, width]"""
    use: str
    """What was done with it, in words."""


def reason_to_leave_out(column: TypedColumn) -> str | None:
    """Why a column can tell nothing about new rows, None where it can."""
    rows, distinct = len(column.is_missing), column.distinct
    if distinct == 0:
        return "it has no values"
    if distinct == 1 and not column.is_missing.any():
        return "it is the same in every row"
    if column.kind == "category" and distinct == rows - int(column.is_missing.sum()) > 2:
        return f"its {distinct:,} texts are all different{_hint(column.texts)}"
    if column.kind == "category" and distinct > MAX_CATEGORIES:
        return f"it has {distinct:,} different texts, more than {MAX_CATEGORIES}{_hint(column.texts)}"
    if column.type == "whole numbers" and rows > 2 and bool(np.all(np.diff(column.numbers) == 1)):
        return "it counts the rows"
    return None


def _hint(texts: Sequence[str]) -> str:
    """How numbers and dates are written, where texts may be meant as such."""
    return "; numbers are written like 1234.5, dates like 2026-01-31" if all(map(_NEARLY_NUMBER.match, texts)) else ""


def fit(column: TypedColumn, train: NDArray[np.int64], white: float | None) -> ColumnFeatures:
    """The features of a column. `white`: what its numbers are divided by, in place of their spread."""
    marks_missing = bool(column.is_missing[train].any())
    if column.kind == "category":
        encoded_column, features = _one_hot(column, train, marks_missing=marks_missing)
        use = f"{plural(len(encoded_column.categories), 'feature')}, one for each of its texts"
    else:
        encoded_column, features = _standardised(column, train, white, marks_missing=marks_missing)
        use = _use_of_numbers(encoded_column, white, column)
    if marks_missing:
        features = np.column_stack([features, column.is_missing.astype(np.float32)])
        use += ", and one for whether it is missing"
    return ColumnFeatures(encoded_column, features, use)


def _one_hot(column: TypedColumn, train: NDArray[np.int64], *, marks_missing: bool) -> tuple[EncodedColumn, Features]:
    places = np.unique(column.codes[train])
    places = places[places >= 0]
    features = (column.codes[:, None] == places).astype(np.float32)
    categories = tuple(column.texts[place] for place in places)
    return EncodedColumn(
        name=column.name, kind="category", categories=categories, marks_missing=marks_missing
    ), features


def _standardised(
    column: TypedColumn, train: NDArray[np.int64], white: float | None, *, marks_missing: bool
) -> tuple[EncodedColumn, Features]:
    mean, scale = (0.0, white) if white else _mean_and_spread(column.numbers[train], has_gaps=marks_missing)
    encoded_column = EncodedColumn(
        name=column.name,
        kind="date" if column.kind == "date" else "number",
        mean=mean,
        scale=scale,
        marks_missing=marks_missing,
    )
    features = ((column.numbers - mean) / scale).astype(np.float32)
    features[column.is_missing] = 0.0
    return encoded_column, features[:, None]


def _mean_and_spread(values: NDArray[np.float64], *, has_gaps: bool) -> tuple[float, float]:
    """Mean and standard deviation; of numbers that are all the same a spread of 1, for theirs is 0 but for rounding."""
    values = values[~np.isnan(values)] if has_gaps else values
    if not len(values):
        return 0.0, 1.0
    return float(values.mean()), float(values.std()) if values.min() < values.max() else 1.0


def _use_of_numbers(column: EncodedColumn, white: float | None, typed_column: TypedColumn) -> str:
    if white:
        return f"1 feature, divided by {white:g}"
    if typed_column.type == "dates":
        mean = np.datetime64(math.floor(column.mean), "D")  # of any year, as datetime is not
        return f"1 feature, as days since its mean {mean}, divided by its spread, {column.scale:.4g} days"
    what = "as 1 and 0, " if typed_column.type == "true or false" else ""
    return f"1 feature, {what}less its mean {column.mean:.4g}, divided by its spread {column.scale:.4g}"

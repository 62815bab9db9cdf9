"""The features of a column, fitted on the rows to train on, and in words what was done with it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.formatting import plural
from app.domain.tables.encoding import EncodedColumn
from app.domain.tables.limits import MAX_CATEGORIES
from app.files.tables.typed_column import TypedColumn

Features = NDArray[np.float32]


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
        return f"its {distinct:,} texts are all different"
    if column.kind == "category" and distinct > MAX_CATEGORIES:
        return f"it has {distinct:,} different texts, more than {MAX_CATEGORIES}"
    if column.type == "whole numbers" and rows > 2 and bool(np.all(np.diff(column.numbers) == 1)):
        return "it counts the rows"
    return None


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
    values = column.numbers[train]
    values = values[~np.isnan(values)]
    mean, scale = (0.0, white) if white else (float(values.mean()), float(values.std())) if len(values) else (0.0, 1.0)
    encoded_column = EncodedColumn(
        name=column.name,
        kind="date" if column.kind == "date" else "number",
        mean=mean,
        scale=scale or 1.0,  # the same in all rows to train on
        marks_missing=marks_missing,
    )
    features = (column.numbers - mean) / encoded_column.scale
    return encoded_column, np.nan_to_num(features, nan=0.0).astype(np.float32)[:, None]


def _use_of_numbers(column: EncodedColumn, white: float | None, typed_column: TypedColumn) -> str:
    if white:
        return f"1 feature, divided by {white:g}"
    what = {"dates": "as days since 1970, ", "true or false": "as 1 and 0, "}.get(typed_column.type, "")
    return f"1 feature, {what}less its mean {column.mean:.4g}, divided by its spread {column.scale:.4g}"

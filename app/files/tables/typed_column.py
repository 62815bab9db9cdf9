"""The type of a column: numbers, dates or texts; texts of a CSV are looked at for what all of them are."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.domain.tables.encoding import SECONDS_A_DAY, ColumnKind, as_text
from app.errors import in_short
from app.files.tables.table import refusal

MAX_NUMBER = 1e30  # whose square is a float64 still
MIXED_SHARE = 0.5  # of a column's values that are numbers, from which the others are taken for errors
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_NUMBER_OR_COMMA = r"^[-+]?[\d.,]*\d$"
_TRUTH = pa.array(["true", "false"])


@dataclass(frozen=True)
class TypedColumn:
    """A column whose values are all of one type."""

    name: str
    kind: ColumnKind
    type: str
    """In words: `whole numbers`, `numbers`, `true or false`, `dates`, `text`."""
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """[rows], NaN where missing; of a date days since 1970. Empty where the column is text."""
    codes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[rows] places in `texts`, -1 where missing. Empty where the column has numbers."""
    texts: tuple[str, ...] = ()
    """The different texts, in their order."""

    @cached_property
    def is_missing(self) -> NDArray[np.bool_]:
        """[rows]"""
        return self.codes < 0 if self.kind == "category" else np.isnan(self.numbers)

    @property
    def distinct(self) -> int:
        """Different values, missing ones not counted."""
        return len(self.texts if self.kind == "category" else self.different_numbers)

    @cached_property
    def different_numbers(self) -> NDArray[np.float64]:
        """In their order, of a column that has numbers or dates."""
        ordered = np.sort(self.numbers)  # NaN comes last; np.unique takes ten times as long
        ordered = ordered[: len(ordered) - np.count_nonzero(self.is_missing)]
        is_new = np.ones(len(ordered), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
        return ordered[is_new]


def typed(name: str, values: Any, *, as_category: bool = False) -> TypedColumn:
    """The column with its type. Raises InvalidError that names the row of a value that is not like the others."""
    try:
        return _typed(name, values, as_category=as_category)
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, OverflowError) as error:  # such as times beyond the year 9999
        raise refusal(f"can't be read: {in_short(error)[:200]}", column=name) from None


def _typed(name: str, values: Any, *, as_category: bool) -> TypedColumn:
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _category(name, values) if as_category else _of_texts(name, values)
    if pa.types.is_null(kind):
        return TypedColumn(name, "number", "empty", np.full(len(values), np.nan))
    column = _of_arrow(name, values)
    return _category(name, _names(values)) if as_category else column


def _names(values: Any) -> Any:
    """The values as texts; of each different one once."""
    encoded = pc.dictionary_encode(values)
    texts = pa.array([as_text(cell) for cell in encoded.dictionary.to_pylist()], pa.string())
    return texts.take(encoded.indices)


def _of_arrow(name: str, values: Any) -> TypedColumn:
    """Of values that have a type in their file."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return TypedColumn(name, "number", "true or false", _floats(values))
    if pa.types.is_integer(kind):
        return TypedColumn(name, "number", "whole numbers", _floats(values))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(name, _floats(values))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return TypedColumn(name, "date", "dates", _days(values))
    raise refusal(f"is of type {kind}: it must hold numbers, texts or dates", column=name)


def _of_texts(name: str, texts: Any) -> TypedColumn:
    """Of texts as a CSV has them: numbers, truth values or dates where all of them are, else text."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if trimmed.null_count == len(trimmed):
        return TypedColumn(name, "number", "empty", np.full(len(trimmed), np.nan))
    try:
        return _numbers(name, _floats(trimmed))
    except pa.ArrowInvalid:
        pass
    lower = pc.utf8_lower(trimmed)
    if pc.all(pc.is_in(lower.drop_null(), _TRUTH)).as_py():
        return TypedColumn(name, "number", "true or false", _floats(pc.equal(lower, "true")))
    try:
        return TypedColumn(name, "date", "dates", _days(pc.cast(trimmed, pa.timestamp("us"))))
    except pa.ArrowInvalid:
        pass
    _check_decimal_point(name, trimmed)
    _check_not_mixed(name, trimmed)
    return _category(name, trimmed)


def _check_decimal_point(name: str, texts: Any) -> None:
    """Raises InvalidError for numbers with commas, which would be taken for names."""
    row = pc.index(pc.match_substring(texts, ","), True).as_py()
    if row < 0 or not pc.all(pc.match_substring_regex(texts, _NUMBER_OR_COMMA)).as_py():
        return
    raise refusal(
        f"{texts[row].as_py()[:40]!r} has a comma: write numbers like 1234.5, with a point and nothing between "
        "thousands, or call the column a category",
        row=row + 1,
        column=name,
    )


def _check_not_mixed(name: str, texts: Any) -> None:
    """Raises InvalidError for a text among numbers, which is an error rather than a category."""
    is_number = pc.match_substring_regex(texts, _NUMBER)
    n_numbers, n_values = pc.sum(is_number).as_py() or 0, len(texts) - texts.null_count
    if n_numbers < MIXED_SHARE * n_values:
        return
    row = int(np.flatnonzero(~pc.fill_null(is_number, True).to_numpy(zero_copy_only=False))[0])
    raise refusal(
        f"{texts[row].as_py()[:40]!r} is no number, as {n_numbers:,} other values of the column are: correct it, leave "
        "it empty, or call the column a category",
        row=row + 1,
        column=name,
    )


def _numbers(name: str, numbers: NDArray[np.float64]) -> TypedColumn:
    too_large = np.flatnonzero(np.abs(numbers) > MAX_NUMBER)
    if len(too_large):
        row, number = int(too_large[0]) + 1, numbers[too_large[0]]
        what = "infinite" if np.isinf(number) else f"{number:g}"
        raise refusal(f"is {what}: it must be a number of at most {MAX_NUMBER:g}", row=row, column=name)
    is_whole = bool(np.all(np.isnan(numbers) | (numbers == np.floor(numbers))))
    return TypedColumn(name, "number", "whole numbers" if is_whole else "numbers", numbers)


def _category(name: str, texts: Any) -> TypedColumn:
    encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(texts))
    values = encoded.dictionary
    order = pc.sort_indices(values)
    rank = np.empty(len(values) + 1, np.int64)
    rank[order.to_numpy()] = np.arange(len(values))
    rank[-1] = -1  # a missing value's place is -1, which is the last one
    places = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    if pc.any(pc.match_substring(values, "\0")).as_py():
        raise refusal("has a text with the character U+0000, which no text may have", column=name)
    return TypedColumn(name, "category", "text", codes=rank[places], texts=tuple(values.take(order).to_pylist()))


def _floats(values: Any) -> NDArray[np.float64]:
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    numbers: NDArray[np.float64] = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _days(values: Any) -> NDArray[np.float64]:
    """Days since 1970, NaN where missing."""
    microseconds = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
    return _floats(microseconds) / (SECONDS_A_DAY * 1e6)

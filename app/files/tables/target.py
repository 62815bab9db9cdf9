"""The target of a table: the class of each row, or its number, with what can be neither refused."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.formatting import plural
from app.domain.nearest import did_you_mean
from app.domain.tables.limits import MAX_CLASSES, MAX_WHOLE_CLASSES, MIN_CLASS_ROWS, MIN_NUMBER_ROWS
from app.domain.tables.options import TableOptions
from app.errors import InvalidError
from app.files.tables.table import Table, refusal
from app.files.tables.typed_column import TypedColumn, typed


class Target(NamedTuple):
    """What is to be told of a table's rows."""

    labels: tuple[str, ...]
    """Names of the classes, numbers in their order, texts in that of the alphabet; none where it is a number."""
    values: NDArray[Any]
    """[rows] int64, the place of a row's class in `labels`; or float64, its number."""
    note: str = ""
    """What was chosen, and how to choose otherwise."""


def place_of(table: Table, name: str) -> int:
    """The place of the column that is the target. Raises InvalidError."""
    if name not in table.names:
        listing = ", ".join(table.names[:20]) + (", ..." if len(table.names) > 20 else "")
        raise _refusal(f"there is no column {name!r}{did_you_mean(name, table.names)}; there are {listing}")
    return table.names.index(name)


def read_target(table: Table, name: str, options: TableOptions) -> Target:
    """The classes or the numbers of the rows by this column. Raises InvalidError."""
    is_category = name in options.category or name in table.categories
    column = typed(name, table.columns[place_of(table, name)], as_category=is_category)
    missing_rows = np.flatnonzero(column.is_missing)
    if len(missing_rows):
        further = len(missing_rows) - 1
        where, which = (f", as in {plural(further, 'further row')}", "these rows") if further else ("", "the row")
        msg = f"the target is missing{where}: write what it is, or remove {which}"
        raise refusal(msg, row=int(missing_rows[0]) + 1, column=name, field="target")
    if options.task == "regression" or (options.task is None and _is_probably_a_number(column)):
        return _numbers(column, was_asked_for=options.task is not None)
    if options.unit:
        raise refusal("a unit is for numbers, and the target is a class: leave it out, or say regression", field="unit")
    labels, codes = _classes(column)
    _check_counts(name, labels, np.bincount(codes, minlength=len(labels)))
    return Target(labels, codes)


def _is_probably_a_number(column: TypedColumn) -> bool:
    return column.type == "numbers" or (column.type == "whole numbers" and column.distinct > MAX_WHOLE_CLASSES)


def _numbers(column: TypedColumn, *, was_asked_for: bool) -> Target:
    name, rows = column.name, len(column.is_missing)
    if column.type not in {"numbers", "whole numbers"}:
        raise _refusal(f"column {name!r} has {column.type}: the target of a regression must be a number")
    if rows < MIN_NUMBER_ROWS:
        raise _refusal(
            f"the table has {plural(rows, 'row')}: a target that is a number needs at least {MIN_NUMBER_ROWS}"
        )
    if column.distinct == 1:
        raise _refusal(f"column {name!r} is {column.numbers[0]:g} in every row: there is nothing to tell")
    note = (
        f"{name!r} has {column.distinct:,} different numbers, so it is taken for a number to predict: say "
        "classification where each stands for a class."
    )
    return Target((), column.numbers, "" if was_asked_for else note)


def _classes(column: TypedColumn) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if column.kind == "category":
        return column.texts, column.codes
    if column.kind == "date":
        raise _refusal(f"column {column.name!r} has dates: the target must be a class or a number")
    numbers, codes = np.unique(column.numbers, return_inverse=True)
    if column.type == "true or false":
        return tuple("true" if number else "false" for number in numbers), codes
    if column.type == "numbers":
        raise _refusal(
            f"column {column.name!r} has {len(numbers):,} different numbers, such as {numbers[0]:g}, and these are no "
            "classes: say regression, or name a column with whole numbers or texts"
        )
    return tuple(str(int(number)) for number in numbers), codes


def _check_counts(name: str, labels: tuple[str, ...], counts: NDArray[np.int64]) -> None:
    if len(labels) < 2:
        raise _refusal(f"column {name!r} is {labels[0]!r} in every row: there must be at least two classes")
    if len(labels) > MAX_CLASSES:
        raise _refusal(f"column {name!r} has {len(labels):,} different values: at most {MAX_CLASSES:,} classes")
    rare = int(counts.argmin())
    if counts[rare] < MIN_CLASS_ROWS:
        rows = "1 row" if counts[rare] == 1 else f"{counts[rare]} rows"
        raise _refusal(
            f"the class {labels[rare]!r} of column {name!r} has {rows}: it needs at least {MIN_CLASS_ROWS}, one each "
            "to train, to validate and to test on; remove it, or join it with another class"
        )


def _refusal(msg: str) -> InvalidError:
    return refusal(msg, field="target")

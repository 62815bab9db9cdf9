"""The parts of a table's rows: as the file says them, as a column of it says, by groups, or by shares."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.domain.formatting import plural
from app.domain.tables.limits import MAX_MEAN, MAX_SPREAD, MIN_SPREAD
from app.domain.tables.options import TableOptions
from app.domain.tables.split import RowSplit, split_classes, split_groups, split_numbers
from app.files.tables.table import Table, refusal
from app.files.tables.target import Target
from app.files.tables.typed_column import TypedColumn, typed

PARTS = {
    **dict.fromkeys(("train", "training", "fit"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "held_out", "held-out", "holdout"), "held_out"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What a column may call the parts, in any case of letters."""
MIN_GROUPS = 3  # one for each part


def split_of(table: Table, target: Target, options: TableOptions) -> RowSplit:
    """The parts of the rows, each with one at least. Raises InvalidError."""
    if options.split_by is not None:
        split = _by_column(table, target, options, options.split_by)
    elif options.groups is not None:
        groups = _category(table, options.groups, "groups", "the group")
        if len(groups.texts) < MIN_GROUPS:
            count = plural(len(groups.texts), "different value")
            raise refusal(f"has {count}: there must be at least {MIN_GROUPS}", column=groups.name, field="groups")
        split = split_groups(groups.codes, options.test_share, options.held_out_share, options.seed)
    else:
        split = _by_shares(target, options, np.arange(table.rows - table.test_rows), is_tested=bool(table.test_rows))
        if table.test_rows:
            split = split._replace(test=np.arange(table.rows - table.test_rows, table.rows))
    _check(target, split, _advice(table, options))
    return split


def use_of(name: str, options: TableOptions) -> str | None:
    """What a column is for that divides the rows; None of any other."""
    if name == options.split_by:
        return "says which part a row is in"
    return "rows with the same value of it are in the same part" if name == options.groups else None


def check_options(table: Table, target_name: str, options: TableOptions) -> None:
    """Raises InvalidError for columns that can't divide the rows."""
    if options.split_by is not None and options.groups is not None:
        raise refusal("groups can't stand beside split_by, which says the part of each row", field="groups")
    for field, name in (("split_by", options.split_by), ("groups", options.groups)):
        if name is None:
            continue
        if table.test_rows:
            raise refusal(f"{field} can't be used: the file itself says what to test on", field=field)
        if name == target_name:
            raise refusal("can't divide the rows: it is the target", column=name, field=field)


def _by_column(table: Table, target: Target, options: TableOptions, name: str) -> RowSplit:
    """The parts that a column says; what it says nothing of is taken of the rows to train on, by the shares."""
    column = _category(table, name, "split_by", "the part")
    parts = [PARTS.get(text.lower()) for text in column.texts]
    if None in parts:
        unknown = parts.index(None)
        row = int(np.flatnonzero(column.codes == unknown)[0]) + 1
        msg = f"{column.texts[unknown][:40]!r} is no part: write train, validation or test"
        raise refusal(msg, row=row, column=name, field="split_by")
    part_of_row = np.array(parts)[column.codes]
    train, held_out, test = (np.flatnonzero(part_of_row == part) for part in ("train", "held_out", "test"))
    if not len(train):
        raise refusal("says of no row that it is to train on", column=name, field="split_by")
    if len(held_out) and len(test):
        return RowSplit(train, held_out, test)
    shares = _by_shares(target, options, train, is_tested=bool(len(test)), is_held_out=bool(len(held_out)))
    return RowSplit(shares.train, held_out if len(held_out) else shares.held_out, test if len(test) else shares.test)


def _by_shares(
    target: Target, options: TableOptions, places: NDArray[np.int64], *, is_tested: bool, is_held_out: bool = False
) -> RowSplit:
    """These rows by the shares; `is_tested`, `is_held_out`: others are for that, so none of these."""
    split: Callable[..., RowSplit] = split_classes if target.labels else split_numbers
    shares = 0.0 if is_tested else options.test_share, 0.0 if is_held_out else options.held_out_share
    parts = split(target.values[places], *shares, options.seed, stratified=options.stratified)
    return RowSplit(*(places[part] for part in parts))


def _category(table: Table, name: str, field: str, noun: str) -> TypedColumn:
    """A column by its different values. Raises InvalidError where one is missing."""
    column = typed(name, table.columns[table.names.index(name)], as_category=True)
    missing_rows = np.flatnonzero(column.is_missing)
    if len(missing_rows):
        raise refusal(f"{noun} is missing", row=int(missing_rows[0]) + 1, column=name, field=field)
    return column


def _advice(table: Table, options: TableOptions) -> str:
    if options.split_by is not None:
        return "name other rows"
    return "send other rows" if table.test_rows else "choose other shares, or another seed"


def _check(target: Target, split: RowSplit, advice: str) -> None:
    """Raises InvalidError for a class without rows to train on, and for numbers that do not differ where they must.

    R² has no value where they do not. One row to test on will do: only the split `book` judges trials by it.
    """
    if target.labels:
        counts = np.bincount(target.values[split.train], minlength=len(target.labels))
        if not counts.all():
            label = target.labels[int(counts.argmin())]
            raise refusal(f"the class {label!r} has no row to train on: {advice}", field="target")
        return
    for places, purpose in zip(split, ("train", "validate", "test"), strict=True):
        numbers = target.values[places]
        if not len(numbers):
            raise refusal(f"no row is left to {purpose} on, of too few to divide: {advice}", field="target")
        if purpose != "test" and numbers.min() == numbers.max():
            rows = plural(len(numbers), "row")
            msg = f"the target is {numbers[0]:g} in the {rows} to {purpose} on: its numbers must differ there; {advice}"
            raise refusal(msg, field="target")
    _check_size(target.values[split.train])


def _check_size(numbers: NDArray[np.float64]) -> None:
    """Raises InvalidError for a target that float32, in which networks tell it, is too coarse or too small for."""
    mean, std = float(numbers.mean()), float(numbers.std())
    size = f"the target is {mean:g} ± {std:.2g} in the rows to train on"
    if not MIN_SPREAD <= std <= MAX_SPREAD:
        msg = f"{size}: it must differ by {MIN_SPREAD:g} to {MAX_SPREAD:g} there; count it in another unit"
        raise refusal(msg, field="target")
    if abs(mean) > MAX_MEAN * std:
        msg = f"{size}: it must differ by more than a {MAX_MEAN:,.0f}th of its size; subtract {mean:.7g} from it"
        raise refusal(msg, field="target")

"""The data set that is made of a table: its features and targets in parts, how it is described, and its file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.formatting import plural
from app.domain.nearest import did_you_mean
from app.domain.tables.encoding import Encoding
from app.domain.tables.limits import MAX_FEATURES, MAX_STORED_BYTES
from app.domain.tables.options import TableOptions, TableTask
from app.domain.tables.split import Places, RowSplit
from app.errors import InvalidError
from app.files.tables import target as targets
from app.files.tables.features import Features, fit, reason_to_leave_out
from app.files.tables.ranges import counts_in, ranges_of
from app.files.tables.row_split import check_options, split_of, use_of
from app.files.tables.table import Table, refusal
from app.files.tables.target import Target
from app.files.tables.typed_column import TypedColumn, typed

EXAMPLE_VALUES = 3
ROWS_AT_ONCE = 1024
_SAFETENSORS_TYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}


@dataclass(frozen=True)
class TableDataset:
    """A table as a data set. Without a target it is described only: nothing is encoded yet."""

    table: Table
    target_name: str | None
    columns: Sequence[dict[str, Any]]
    """Of each column what schemas.TableColumn says."""
    encoding: Encoding | None = None
    column_features: Sequence[Features] = ()
    """Of each column that is read, [rows, width]."""
    target: Target | None = None
    split: RowSplit | None = None

    @property
    def task(self) -> TableTask | None:
        """What networks learn of it; None without a target."""
        if self.target is None:
            return None
        return "classification" if self.target.labels else "regression"

    def features(self, places: Places) -> Features:
        """[places, features] of these rows, some at a time: column by column each row would be fetched very often."""
        assert self.encoding is not None
        features = np.empty((len(places), self.encoding.width), np.float32)
        for start in range(0, len(places), ROWS_AT_ONCE):
            piece = places[start : start + ROWS_AT_ONCE]
            columns = [np.take(column, piece, axis=0) for column in self.column_features]
            np.concatenate(columns, axis=1, out=features[start : start + ROWS_AT_ONCE])
        return features


def make(table: Table, options: TableOptions) -> TableDataset:
    """The data set of a table. Raises InvalidError that names what is wrong."""
    _check_columns(table, options)
    name, reason_against = options.target, ""
    if name is None:
        name, reason_against = _usual_target(table, options)
    if name is None:
        table = replace(table, notes=[*table.notes, *filter(None, [reason_against])])
        typed_columns = _typed_columns(table, options)
        return TableDataset(table, None, [_described(col, _left_out(col, table, options)) for col in typed_columns])
    target = targets.read_target(table, name, options)
    table = replace(table, notes=[*table.notes, *filter(None, [target.note])])
    check_options(table, name, options)
    split = split_of(table, target, options)
    columns, fits = [], []
    for column in _typed_columns(table, options):
        if column.name == name:
            scaling = "" if target.labels else ", less its mean, divided by its spread"
            columns.append(_described(column) | {"use": f"the target{scaling}"})
        elif use := use_of(column.name, options):
            columns.append(_described(column) | {"use": use})
        elif reason := _left_out(column, table, options):
            columns.append(_described(column, reason))
        else:
            fits.append(fit(column, split.train, table.white))
            columns.append(_described(column) | {"use": fits[-1].use, "features": fits[-1].column.width})
    encoding = Encoding(target=name, columns=tuple(fit.column for fit in fits))
    _check_width(encoding, table.rows)
    return TableDataset(table, name, columns, encoding, [fit.features for fit in fits], target, split)


def file_of(dataset: TableDataset) -> bytes:
    """Its parts in the format of safetensors: features, classes or numbers in their own unit, and the encoding."""
    assert dataset.split is not None
    assert dataset.target is not None
    assert dataset.encoding is not None
    tensors: dict[str, NDArray[Any]] = {}
    for part, places in dataset.split._asdict().items():
        tensors[f"{part}_x"] = dataset.features(places)
        tensors[f"{part}_y"] = dataset.target.values[places]
    header: dict[str, Any] = {"__metadata__": {"encoding": dataset.encoding.model_dump_json()}}
    start = 0
    for name, tensor in tensors.items():
        kind = _SAFETENSORS_TYPES[tensor.dtype.name]
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [start, start + tensor.nbytes]}
        start += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers lie aligned
    return b"".join([len(text).to_bytes(8, "little"), text, *(tensor.data for tensor in tensors.values())])


def facts_of(dataset: TableDataset, name: str, source: str, unit: str = "") -> dict[str, Any]:
    """What app.domain.datasets.DatasetInfo says of it, but for its name and its hash."""
    assert dataset.split is not None
    assert dataset.target is not None
    assert dataset.encoding is not None
    rows, columns = plural(dataset.table.rows, "row"), plural(len(dataset.encoding.columns), "column")
    return {
        "title": f"{name}: {rows}, {columns} to predict {dataset.target_name}",
        "features": dataset.encoding.width,
        "classes": len(dataset.target.labels),
        "train": len(dataset.split.train) + len(dataset.split.held_out),
        "test": len(dataset.split.test),
        "held_out": len(dataset.split.held_out),
        "source": source,
        **_balance(dataset.target, dataset.split),
        **({} if dataset.target.labels else {"target": "number", "quantity": dataset.target_name, "unit": unit}),
    }


def _balance(target: Target, split: RowSplit) -> dict[str, Any]:
    """How many rows of each part there are of each class, or with a number in each range."""
    if target.labels:
        facts: dict[str, Any] = {"labels": list(target.labels)}
        counts = [np.bincount(target.values[part], minlength=len(target.labels)).tolist() for part in split]
    else:
        edges = ranges_of(target.values)
        facts = {"ranges": edges}
        counts = [counts_in(target.values[part], edges) for part in split]
    train, held_out, test = counts
    together = [sum(pair) for pair in zip(train, held_out, strict=True)]
    return facts | {"class_counts": {"train": together, "held_out": held_out, "test": test}}


def _usual_target(table: Table, options: TableOptions) -> tuple[str | None, str]:
    """The column that is probably the target, or why the one that is called so can't be."""
    name = table.usual_target()
    if name is None or name in options.drop:
        return None, ""
    try:
        targets.read_target(table, name, options)
    except InvalidError as error:
        return None, f"{name!r} can't be the target: {error.detail}"
    return name, ""


def _check_columns(table: Table, options: TableOptions) -> None:
    named: dict[str, Sequence[str | None]] = {
        "drop": options.drop,
        "category": options.category,
        "split_by": [options.split_by],
        "groups": [options.groups],
    }
    for field, names in named.items():
        for name in names:
            if name is not None and name not in table.names:
                raise refusal(f"there is no column {name!r}{did_you_mean(name, table.names)}", field=field)
    if options.target is not None and options.target in options.drop:
        raise refusal("can't be left out: it is the target", column=options.target, field="drop")


def _typed_columns(table: Table, options: TableOptions) -> Iterator[TypedColumn]:
    """The columns with their types, one at a time; what was read of each is not needed any more."""
    category_names = options.names_of_texts | {*table.categories}  # once: there may be 20,000 columns
    for place, name in enumerate(table.names):
        try:
            yield typed(name, table.columns[place], as_category=name in category_names)
        except InvalidError:
            if name not in options.drop:
                raise
            yield typed(name, table.columns[place], as_category=True)  # whatever is wrong with it, it is left out
        table.columns[place] = None


def _left_out(column: TypedColumn, table: Table, options: TableOptions) -> str | None:
    if column.name in options.drop:
        return "you asked for it"
    if table.white is not None:
        return None  # a pixel that is black in every image stays where it is
    return reason_to_leave_out(column)


def _check_width(encoding: Encoding, rows: int) -> None:
    if not encoding.width:
        raise refusal("no column is left to tell the target by: each was left out")
    if encoding.width > MAX_FEATURES:
        raise refusal(f"the columns become {encoding.width:,} features: at most {MAX_FEATURES:,}; drop some")
    if 4 * encoding.width * rows > MAX_STORED_BYTES:
        raise refusal(
            f"{rows:,} rows of {encoding.width:,} features take {4 * encoding.width * rows / 2**20:,.0f} MiB: at most "
            f"{MAX_STORED_BYTES // 2**20:,} are stored; drop columns, or send fewer rows"
        )


def _described(column: TypedColumn, reason: str | None = None) -> dict[str, Any]:
    """What a table of the columns says of one."""
    return {
        "name": column.name,
        "type": column.type,
        "missing": int(column.is_missing.sum()),
        "distinct": column.distinct,
        "examples": _examples(column),
        "features": 0,
        "use": f"left out: {reason}" if reason else "",
    }


def _examples(column: TypedColumn) -> list[str]:
    """A few of its values."""
    if column.kind == "category":
        return [text[:40] for text in column.texts[:EXAMPLE_VALUES]]
    values = column.different_numbers[:EXAMPLE_VALUES]
    if column.kind == "date":
        return [str(np.datetime64(round(value), "D")) for value in values]
    return [f"{value:g}" for value in values]

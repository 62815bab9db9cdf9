"""The flat table of a sweep, for CSV and Parquet: a row a trial or a row an epoch, and back to a document.

With a row an epoch, a trial's number and parameters stand in each of its rows, its other columns in the first.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.domain.hyperparameters import Category, Layers
from app.domain.tasks import EVERY_HYPERPARAMETER
from app.files.exports.fields import EPOCH, RUN, TRIAL, Field, import_error
from app.files.exports.records import SweepRecord, TrialRecord

LEADING = ("number", "state")
VALUES = ("value", "std")  # behind the parameters
LENS_VALUES = ("lens_value", "lens_std")  # behind them, in a file of what a lens leaves with other values of runs
# the other columns of a trial, and whether they hold JSON
_TRAILING = {name: field.kind in {"json", "array"} for name, field in TRIAL.items() if name not in LEADING + VALUES}
_COLUMN = re.compile(r"(?:params\.(?P<parameter>\w+)|runs\.(?P<run>[1-9]\d{0,5})\.(?P<fact>\w+)|(?P<plain>\w+))")


def columns(record: SweepRecord) -> list[Field]:
    """The columns of the table, as `rows` fills them."""
    names = [*LEADING, *(f"params.{name}" for name in record.hyperparameters), *VALUES]
    names += LENS_VALUES if record.is_seen_otherwise else ()
    names += [f"runs.{run}.{name}" for run in range(1, record.max_runs + 1) for name in RUN]
    names += [*_TRAILING, *(EPOCH if record.with_epochs else ())]
    return [column(name) for name in names]


@lru_cache(4096)  # a file of strangers may name any number of runs
def column(name: str) -> Field:
    """The column of this name. Raises InvalidError where there is none."""
    parts = _COLUMN.fullmatch(name)
    if parts is None:
        raise import_error((name,), "is no column of an export; leave it out")
    if parameter := parts["parameter"]:
        return _parameter(name, parameter)
    if name in LENS_VALUES:
        return Field(name, "float", True)
    field = RUN.get(parts["fact"]) if parts["run"] else TRIAL.get(name) or EPOCH.get(name)
    if field is None:
        raise import_error((name,), "is no column of an export; leave it out")
    return Field(name, "json" if field.kind == "array" else field.kind, True)


def _parameter(name: str, parameter: str) -> Field:
    hyperparameter = EVERY_HYPERPARAMETER.get(parameter)
    kind = hyperparameter.kind if hyperparameter else None
    if kind is None or isinstance(kind, Layers):
        return Field(name, "json", True)
    if isinstance(kind, Category):
        return Field(name, "text" if all(isinstance(category, str) for category in kind.names) else "boolean", True)
    return Field(name, "integer" if kind.whole else "float", True)


def rows(record: SweepRecord) -> Iterator[list[Any]]:
    """The rows of the table, their values in the order of `columns`; what is JSON stands as its text."""
    n_seen = len(LENS_VALUES) * record.is_seen_otherwise
    empty = [None] * (len(VALUES) + n_seen + record.max_runs * len(RUN) + len(_TRAILING))
    parameters = [(name, column(f"params.{name}").kind == "json") for name in record.hyperparameters]
    for trial in record.trials:
        facts, params = trial.facts, trial.facts["params"] or {}
        param_cells = [_cell(params.get(name), is_json) for name, is_json in parameters]
        first_point, *further_points = trial.epochs or [(None,) * len(EPOCH)]
        trailing = [_cell(facts[name], is_json) for name, is_json in _TRAILING.items()]
        yield [
            *(facts[name] for name in LEADING),
            *param_cells,
            *(facts[name] for name in VALUES),
            *(trial.lens_value or [None] * n_seen),
            *_runs(record, trial),
            *trailing,
            *(first_point if record.with_epochs else ()),
        ]
        for point in further_points:
            yield [facts["number"], None, *param_cells, *empty, *point]


def _runs(record: SweepRecord, trial: TrialRecord) -> list[Any]:
    cells = [run[name] for run in trial.runs for name in RUN]
    return cells + [None] * (record.max_runs * len(RUN) - len(cells))


def _cell(value: Any, is_json: bool) -> Any:
    return json.dumps(value) if is_json and value is not None else value


def document(header: Any, numbered_rows: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """The document of a table's rows, each with its place; what is JSON is text here too.

    Raises InvalidError that names the row where a row can't be.
    """
    trials: dict[Any, dict[str, Any]] = {}
    curves: dict[Any, list[list[Any]]] = {}
    for place, row in numbered_rows:
        number = row["number"]
        if row["state"] is not None:
            if number in trials:
                raise import_error(("rows", place), f"is trial {number}, which stands in a row before")
            trials[number] = _trial(row, place)
        if row.get("epoch") is not None:
            curves.setdefault(number, []).append([row[name] for name in EPOCH])
    if unknown_trials := curves.keys() - trials.keys():
        raise import_error(("rows",), f"hold epochs of trial {min(unknown_trials, key=str)}, but not its first row")
    for number, points in curves.items():
        trials[number]["epochs"] = dict(zip(EPOCH, map(list, zip(*points, strict=True)), strict=True))
    return {**header, "trials": list(trials.values())} if isinstance(header, dict) else {"trials": []}


def _trial(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    trial = {name: _value(name, row[name], place) for name in TRIAL if name in row}
    _check_parameters(trial.get("params"), row, place)
    runs: dict[int, dict[str, Any]] = {}
    for name, value in row.items():
        if name.startswith("runs.") and value is not None:
            _, run, fact = name.split(".")
            runs.setdefault(int(run), dict.fromkeys(RUN))[fact] = value
    return {**trial, "runs": list(runs.values())}


def _value(name: str, value: Any, place: int) -> Any:
    if column(name).kind != "json" or value is None:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise import_error(("rows", place, name), "must be JSON") from None


def _check_parameters(params: Any, row: Mapping[str, Any], place: int) -> None:
    """Raises InvalidError where a hyperparameter's own column is not what the column `params` says."""
    for name, value in row.items():
        if name.startswith("params."):
            stored = params.get(name.removeprefix("params.")) if isinstance(params, dict) else None
            if value != _cell(stored, column(name).kind == "json"):
                raise import_error(("rows", place, name), f"is {value!r}, but the column params says {stored!r}")


def checked_columns(names: Iterable[str]) -> list[Field]:
    """The columns of a table that is to be imported. Raises InvalidError where one is unknown or lacks."""
    columns = {name: column(name) for name in names}
    required = [field.name for field in TRIAL.values() if not field.has_default] + ["state", "params"]
    if columns.keys() & EPOCH.keys():
        required += EPOCH
    for name in required:
        if name not in columns:
            raise import_error((name,), "is missing: the file has lost this column")
    return list(columns.values())

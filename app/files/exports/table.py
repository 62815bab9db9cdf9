"""A sweep as a flat table, which CSV and Parquet write: a row a trial, or a row an epoch, and back.

With a row an epoch, a trial's number and parameters stand in each of its rows, its other columns in the first.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from app.domain.hyperparameters import HYPERPARAMETERS, Category, Layers
from app.files.exports.fields import EPOCH, RUN, TRIAL, Field, wrong
from app.files.exports.records import SweepRecord, TrialRecord

FIRST = ("number", "state")
NEXT = ("value", "std")
# the other columns of a trial, and whether they hold JSON
_REST = {name: field.kind in {"json", "array"} for name, field in TRIAL.items() if name not in FIRST + NEXT}
_COLUMN = re.compile(r"(?:params\.(?P<parameter>\w+)|runs\.(?P<run>[1-9]\d{0,5})\.(?P<fact>\w+)|(?P<plain>\w+))")


def columns(record: SweepRecord) -> list[Field]:
    """The columns of the table, as `rows` fills them."""
    names = [*FIRST, *(f"params.{name}" for name in record.hyperparameters), *NEXT]
    names += [f"runs.{run}.{name}" for run in range(1, record.most_runs + 1) for name in RUN]
    names += [*_REST, *(EPOCH if record.with_epochs else ())]
    return [column(name) for name in names]


@cache
def column(name: str) -> Field:
    """The column of this name. Raises InvalidError where there is none."""
    parts = _COLUMN.fullmatch(name)
    if parts is None:
        raise wrong((name,), "is no column of an export; leave it out")
    if parameter := parts["parameter"]:
        return _parameter(name, parameter)
    known = RUN.get(parts["fact"]) if parts["run"] else TRIAL.get(name) or EPOCH.get(name)
    if known is None:
        raise wrong((name,), "is no column of an export; leave it out")
    return Field(name, "json" if known.kind == "array" else known.kind, True)


def _parameter(name: str, parameter: str) -> Field:
    known = HYPERPARAMETERS.get(parameter)
    kind = known.kind if known else None
    if kind is None or isinstance(kind, Layers):
        return Field(name, "json", True)
    if isinstance(kind, Category):
        return Field(name, "text" if all(isinstance(one, str) for one in kind.names) else "boolean", True)
    return Field(name, "integer" if kind.whole else "float", True)


def rows(record: SweepRecord) -> Iterator[list[Any]]:
    """Values by column; what is JSON stands as its text."""
    empty = [None] * (len(NEXT) + record.most_runs * len(RUN) + len(_REST))
    parameters = [(name, column(f"params.{name}").kind == "json") for name in record.hyperparameters]
    for trial in record.trials:
        facts, params = trial.facts, trial.facts["params"] or {}
        chosen = [_cell(params.get(name), is_json) for name, is_json in parameters]
        first, *others = trial.epochs or [(None,) * len(EPOCH)]
        rest = [_cell(facts[name], is_json) for name, is_json in _REST.items()]
        yield [
            *(facts[name] for name in FIRST),
            *chosen,
            *(facts[name] for name in NEXT),
            *_runs(record, trial),
            *rest,
            *(first if record.with_epochs else ()),
        ]
        for point in others:
            yield [facts["number"], None, *chosen, *empty, *point]


def _runs(record: SweepRecord, trial: TrialRecord) -> list[Any]:
    cells = [run[name] for run in trial.runs for name in RUN]
    return cells + [None] * (record.most_runs * len(RUN) - len(cells))


def _cell(value: Any, is_json: bool) -> Any:
    return json.dumps(value) if is_json and value is not None else value


def document(header: Any, found: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """The document of a table's rows, each with its place; what is JSON is text here too.

    Raises InvalidError that names the row where a row can't be.
    """
    trials: dict[Any, dict[str, Any]] = {}
    curves: dict[Any, list[list[Any]]] = {}
    for place, row in found:
        number = row["number"]
        if row["state"] is not None:
            if number in trials:
                raise wrong(("rows", place), f"is trial {number}, which stands in a row before")
            trials[number] = _trial(row, place)
        if row.get("epoch") is not None:
            curves.setdefault(number, []).append([row[name] for name in EPOCH])
    if lost := curves.keys() - trials.keys():
        raise wrong(("rows",), f"hold epochs of trial {min(lost, key=str)}, but not its first row")
    for number, points in curves.items():
        trials[number]["epochs"] = dict(zip(EPOCH, map(list, zip(*points, strict=True)), strict=True))
    return {**header, "trials": list(trials.values())} if isinstance(header, dict) else {"trials": []}


def _trial(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    trial = {name: _value(name, row[name], place) for name in TRIAL if name in row}
    _same_parameters(trial.get("params"), row, place)
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
        raise wrong(("rows", place, name), "must be JSON") from None


def _same_parameters(params: Any, row: Mapping[str, Any], place: int) -> None:
    """A hyperparameter stands twice, to be read and in `params`; who changes one of them has to be told."""
    for name, value in row.items():
        if name.startswith("params."):
            meant = params.get(name.removeprefix("params.")) if isinstance(params, dict) else None
            if value != _cell(meant, column(name).kind == "json"):
                raise wrong(("rows", place, name), f"is {value!r}, but the column params says {meant!r}")


def complete(names: Iterable[str]) -> list[Field]:
    """The columns of a table that is to be imported. Raises InvalidError where one is unknown or lacks."""
    found = {name: column(name) for name in names}
    needed = [field.name for field in TRIAL.values() if not field.has_default] + ["state", "params"]
    if found.keys() & EPOCH.keys():
        needed += EPOCH
    for name in needed:
        if name not in found:
            raise wrong((name,), "is missing: the file has lost this column")
    return list(found.values())

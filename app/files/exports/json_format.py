"""The JSON format: one document with the sweep's facts and its trials, one a line, with runs and curves."""

import json
from collections.abc import Generator, Mapping, Sequence
from typing import IO, Any

from app.files.exports.fields import DIAGNOSTICS, EPOCH, Field, import_error, to_json
from app.files.exports.records import SweepRecord, TrialRecord
from app.files.exports.table import LENS_VALUES

MEDIA_TYPE = "application/json"


def write(record: SweepRecord) -> Generator[bytes]:
    """The document, piece by piece."""
    yield json.dumps(record.header)[:-1].encode() + b', "trials": ['
    separator = b"\n"
    for trial in record.trials:
        yield separator + _line(trial)
        separator = b",\n"
    yield b"\n]}\n"


def read(file: IO[bytes]) -> Any:
    """The document. Raises InvalidError where it is no JSON."""
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise import_error((), f"is no JSON: {error}") from None


def _line(trial: TrialRecord) -> bytes:
    lens_values = {} if trial.lens_value is None else dict(zip(LENS_VALUES, trial.lens_value, strict=True))
    document = {**trial.facts, **lens_values, "runs": trial.runs}
    if trial.epochs is None:
        return json.dumps(document).encode()
    document["epochs"] = _columns(EPOCH, trial.epochs)
    if trial.diagnostics is not None:
        document["diagnostics"] = _columns(DIAGNOSTICS, trial.diagnostics)
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:  # seldom, so that a million figures need not be looked at one by one
        document["epochs"] = {name: to_json(column) for name, column in document["epochs"].items()}
        return json.dumps(document).encode()


def _columns(fields: Mapping[str, Field], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """A list a figure: half the size of an object a point, and pandas.DataFrame(trial["epochs"]) is the table."""
    columns = zip(*rows, strict=True) if rows else [()] * len(fields)
    return dict(zip(fields, map(list, columns), strict=True))

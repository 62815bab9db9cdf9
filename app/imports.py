"""An exported sweep as a new one: all of it with all checks applied, or nothing."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

import psycopg
from psycopg import sql
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import sweeps
from app.catalog import DATASETS
from app.exports import as_csv, as_json, as_parquet
from app.exports.fields import EPOCH, RUN, SWEEP, TRIAL, Field, read, wrong
from app.exports.records import FORMAT, VERSION
from app.hyperparameters import HYPERPARAMETERS
from app.models import (
    ENDED_SWEEPS,
    LIVE_TRIALS,
    Base,
    Epoch,
    Run,
    RunState,
    Sweep,
    SweepState,
    Trial,
    TrialState,
    Worker,
)
from app.schemas import AttemptOut, SweepCreate
from app.space import Constant, Space, check_model_fits

MAX_TRIALS = 200_000
ALMOST = 1e-9  # relative; a mean that was added up in another order


def parsed(file: IO[bytes]) -> Any:
    """The document of an export in any of its formats, told apart by how they begin. Raises InvalidError."""
    begin = file.read(64)
    file.seek(0)
    if begin.startswith(as_parquet.MAGIC):
        return as_parquet.read(file)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return as_json.read(file)
    if not begin:
        raise wrong((), "is empty: send a sweep that was exported as JSON, CSV or Parquet")
    return as_csv.read(file)


def restore(session: Session, document: Any) -> Sweep:
    """Stores the sweep of an export's document under a new number. Raises InvalidError that names what is wrong.

    Trials that waited or ran wait, and a sweep that had not ended is paused.
    """
    facts, origin = _sweep_facts(document)
    trials = document.get("trials")
    if not isinstance(trials, list) or not 1 <= len(trials) <= MAX_TRIALS:
        raise wrong(("trials",), f"must be a list of 1 to {MAX_TRIALS:,} trials")
    workers = set(session.scalars(select(Worker.id)))
    checked = [_Checked(trial, place, facts, workers) for place, trial in enumerate(trials)]
    _check_counts(document, checked)
    _check_together(facts, checked)
    sweep = Sweep(**facts, imported_from=origin)
    session.add(sweep)
    session.flush()
    _insert(session, sweep.id, checked)
    sweeps.close_if_done(session, [sweep.id])
    sweeps.notify(session, sweep.id)
    session.refresh(sweep)
    return sweep


def _sweep_facts(document: Any) -> tuple[dict[str, Any], int | None]:
    """The columns of the new sweep, and the number of the exported one."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise wrong(("format",), f"must be {FORMAT!r}: only a sweep that Perceptune exported can be imported")
    if document.get("version") != VERSION:
        raise wrong(("version",), f"must be {VERSION}: the file is of another version of Perceptune")
    given = document.get("sweep")
    if not isinstance(given, dict):
        raise wrong(("sweep",), "must be an object with the sweep's facts")
    origin = given.get("id")
    if origin is not None and not (type(origin) is int and 0 < origin < 2**62):
        raise wrong(("sweep", "id"), f"must be a whole number, not {str(origin)[:80]!r}")
    facts = read(SWEEP, {name: value for name, value in given.items() if name != "id"}, ("sweep",))
    _check_body(given, facts)
    if facts["state"] not in ENDED_SWEEPS:
        facts["state"] = SweepState.paused
    if (facts["state"] in ENDED_SWEEPS) != (facts.get("finished_at") is not None):
        raise wrong(("sweep", "finished_at"), f"must be set if and only if the sweep has ended; it is {given['state']}")
    return facts, origin


def _check_body(given: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """A sweep that could not be posted can't be imported either."""
    body = {name: given[name] for name in SweepCreate.model_fields if name in given}
    first = {"metric": given.get("metric"), "direction": given.get("direction")}
    others = body.pop("objectives", None)
    body |= {"objectives": [first, *others]} if others else {"objective": first}
    body["stop"] = given.get("stop_rules") or None
    if facts["sampler"].get("name") != "grid":
        body["n_trials"] = 1
    try:
        sweeps.checked(SweepCreate.model_validate(body))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise wrong(("sweep", *found["loc"]), str(found["msg"])) from None


class _Checked:
    """A trial as it is stored: rows of three tables, in the order of their columns. Raises InvalidError."""

    def __init__(self, given: Any, place: int, sweep: Mapping[str, Any], workers: set[Any]) -> None:
        loc = ("trials", place)
        if not isinstance(given, dict):
            raise wrong(loc, "must be an object")
        own = {name: value for name, value in given.items() if name not in {"runs", "epochs"}}
        self.facts = read(TRIAL, own, loc)
        runs = given.get("runs")
        if not isinstance(runs, list):
            raise wrong((*loc, "runs"), "must be a list")
        self.runs = [read(RUN, run, (*loc, "runs", index)) for index, run in enumerate(runs)]
        self.epochs = _curves(given.get("epochs"), (*loc, "epochs"))
        self.n_epochs = len(self.epochs[0])
        _check_history(self.facts.get("history", []), loc)
        _check_trial(self.facts, self.runs, loc)
        _check_params(self.facts, sweep, loc)
        if self.facts["state"] in LIVE_TRIALS:
            self._queue_again()
        if self.facts.get("worker_id") not in workers:
            self.facts["worker_id"] = None  # of another installation

    def _queue_again(self) -> None:
        """What was under way starts anew: its curves would be written once more."""
        self.facts |= {"state": TrialState.waiting, "epochs_done": 0, "started_at": None, "worker_id": None}
        self.epochs = _NO_CURVES


_NO_CURVES: list[list[Any]] = [[] for _ in EPOCH]


def _curves(given: Any, loc: tuple[str | int, ...]) -> list[list[Any]]:
    """The points of a trial's curves, a list a column."""
    if given is None:
        return _NO_CURVES
    if not isinstance(given, dict) or given.keys() != EPOCH.keys():
        raise wrong(loc, f"must be an object with the lists {', '.join(EPOCH)}")
    if not all(isinstance(column, list) for column in given.values()) or len({*map(len, given.values())}) != 1:
        raise wrong(loc, "must hold lists of the same length")
    curves = [_column(field, given[name], loc) for name, field in EPOCH.items()]
    if len({*zip(curves[0], curves[1], strict=True)}) != len(curves[0]):
        raise wrong(loc, "hold an epoch of a run twice")
    return curves


def _column(field: Field, values: list[Any], loc: tuple[str | int, ...]) -> list[Any]:
    """The values of one figure. A million of them pass here, so what is plainly right is not looked at one by one."""
    kinds = set(map(type, values))
    if kinds <= ({int} if field.kind == "integer" else {float, type(None)} if field.optional else {float}):
        if field.kind == "integer" and values and not 0 <= min(values) <= max(values) < 2**31:
            raise wrong((*loc, field.name), "must be whole numbers that are not negative")
        return values
    return [
        read({field.name: field}, {field.name: value}, (*loc, index))[field.name] for index, value in enumerate(values)
    ]


Rule = tuple[Callable[[Mapping[str, Any]], bool], str, str]

# As the CHECK constraints of the table, with the field and what would be right.
_RULES: list[Rule] = [
    (lambda t: 0 <= t["number"] < 2**31, "number", "must be 0 or more"),
    (
        lambda t: (t["state"] in LIVE_TRIALS) == (t.get("finished_at") is None),
        "finished_at",
        "must be set if and only if the trial has ended",
    ),
    (lambda t: t["state"] != "complete" or t.get("value") is not None, "value", "is missing: the trial is complete"),
    (lambda t: t["state"] != "complete" or t.get("params") is not None, "params", "is missing: the trial is complete"),
    (lambda t: t["state"] != "failed" or t.get("error") is not None, "error", "is missing: the trial failed"),
    (
        lambda t: t["state"] in {"complete", "pruned"} or t.get("value") is None,
        "value",
        "must be null: only complete and pruned trials have one",
    ),
    (
        lambda t: (t.get("params") is None) == (t.get("cost") is None) == (t.get("epochs_total") is None),
        "params",
        "must be there together with cost and epochs_total",
    ),
    (lambda t: t.get("cost") is None or 0 <= t["cost"] < math.inf, "cost", "must be 0 or more"),
    (lambda t: t.get("epochs_total") is None or t["epochs_total"] >= 1, "epochs_total", "must be at least 1"),
    (lambda t: t.get("attempt", 0) >= 0, "attempt", "must be 0 or more"),
    (lambda t: isinstance(t.get("history", []), list), "history", "must be a list"),
]


def _check_trial(trial: Mapping[str, Any], runs: list[dict[str, Any]], loc: tuple[str | int, ...]) -> None:
    for is_right, field, msg in _RULES:
        if not is_right(trial):
            raise wrong((*loc, field), msg)
    if len({run["seed"] for run in runs}) != len(runs) or any(run["seed"] < 0 for run in runs):
        raise wrong((*loc, "runs"), "must have a seed of their own each")
    for index, run in enumerate(runs):
        if (run["state"] == RunState.complete) != (run.get("value") is not None):
            raise wrong((*loc, "runs", index, "value"), "must be set if and only if the run is complete")
        if (run["state"] == RunState.diverged) != (run.get("error") is not None):
            raise wrong((*loc, "runs", index, "error"), "must be set if and only if the run diverged")
    _check_mean(trial, [run["value"] for run in runs if run.get("value") is not None], loc)


def _check_history(history: list[Any], loc: tuple[str | int, ...]) -> None:
    for index, attempt in enumerate(history):
        try:
            AttemptOut.model_validate(attempt)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise wrong((*loc, "history", index, *found["loc"]), str(found["msg"])) from None


def _check_mean(trial: Mapping[str, Any], values: list[float], loc: tuple[str | int, ...]) -> None:
    """A trial's value is the mean over its runs."""
    if trial["state"] != TrialState.complete or not values:
        return
    mean = math.fsum(values) / len(values)
    if abs(trial["value"] - mean) > ALMOST * max(abs(mean), 1e-6):
        raise wrong((*loc, "value"), f"is {trial['value']!r}, but the mean over its runs is {mean!r}")


def _check_params(trial: Mapping[str, Any], sweep: Mapping[str, Any], loc: tuple[str | int, ...]) -> None:
    """Each hyperparameter is known and has a value that it can have; a model that is to be trained fits."""
    params = trial.get("params")
    if params is None:
        return
    if not isinstance(params, dict):
        raise wrong((*loc, "params"), "must be an object")
    for name, value in params.items():
        known = HYPERPARAMETERS.get(name)
        if found := "is no hyperparameter" if known is None else _problem(known.kind, value):
            raise wrong((*loc, "params", name), found)
    if trial["state"] in LIVE_TRIALS:
        facts = DATASETS[sweep["dataset"]]
        space = Space({name: Constant(value) for name, value in params.items()})
        check_model_fits(space, facts.features, facts.classes, sweep["seeds"])


def _problem(kind: Any, value: Any) -> str | None:
    try:
        return kind.problem(value)  # type: ignore[no-any-return]
    except OverflowError:
        return "is too large"


def _check_counts(document: Mapping[str, Any], trials: list[_Checked]) -> None:
    """A file that says how much it holds, and holds something else, has lost it."""
    counts = document.get("counts")
    if not isinstance(counts, dict):
        raise wrong(("counts",), "is missing: it says how many trials, runs and epochs there are")
    found = {
        "trials": len(trials),
        "runs": sum(len(trial.runs) for trial in trials),
        "epochs": sum(trial.n_epochs for trial in trials),
    }
    for name, number in found.items():
        if counts.get(name) != number and not (name == "epochs" and counts.get(name) is None and not number):
            raise wrong(
                ("counts", name), f"is {counts.get(name)}, but the file holds {number}: rows were lost or added"
            )


def _check_together(sweep: Mapping[str, Any], trials: list[_Checked]) -> None:
    if len({trial.facts["number"] for trial in trials}) != len(trials):
        raise wrong(("trials",), "must have a number of their own each")
    if sweep["state"] in ENDED_SWEEPS and any(trial.facts["state"] in LIVE_TRIALS for trial in trials):
        raise wrong(("sweep", "state"), f"can't be {sweep['state']}: some of its trials have not ended")


def _insert(session: Session, sweep_id: int, trials: list[_Checked]) -> None:
    """All rows of the three tables, through COPY, which is ten times as fast as INSERT."""
    try:
        names = [name for name in TRIAL if any(name in trial.facts for trial in trials)]
        rows = ([sweep_id, *_cells(TRIAL, names, trial.facts)] for trial in trials)
        _copy(session, Trial, ["sweep_id", *names], rows)
        numbers = session.execute(select(Trial.number, Trial.id).where(Trial.sweep_id == sweep_id))
        ids: dict[int, int] = {row.number: row.id for row in numbers}
        runs = ([ids[trial.facts["number"]], *_cells(RUN, RUN, run)] for trial in trials for run in trial.runs)
        _copy(session, Run, ["trial_id", *RUN], runs)
        points = ((ids[trial.facts["number"]], *point) for trial in trials for point in zip(*trial.epochs, strict=True))
        _copy(session, Epoch, ["trial_id", *EPOCH], points)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise wrong((), f"does not fit the tables: {str(error).splitlines()[0]}") from None


def _cells(fields: Mapping[str, Field], names: Iterable[str], row: Mapping[str, Any]) -> list[Any]:
    values = [(fields[name].kind, row.get(name)) for name in names]
    return [json.dumps(value) if kind == "json" and value is not None else value for kind, value in values]


def _copy(session: Session, table: type[Base], names: list[str], rows: Iterable[Sequence[Any]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.__tablename__), columns)
    connection: psycopg.Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)

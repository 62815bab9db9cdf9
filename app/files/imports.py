"""An exported sweep as a new one: all of it with all checks applied, or nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import psycopg
from psycopg import sql
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import notifications
from app.db.tables import Base, Epoch, Run, Sweep, Trial, Worker
from app.domain.limits import MAX_TRIALS
from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState
from app.files.exports import csv_format, json_format, parquet_format
from app.files.exports.fields import EPOCH, RUN, SWEEP, TRIAL, Field, read, wrong
from app.files.exports.records import FORMAT, VERSION
from app.files.import_checks import CheckedTrial
from app.lifecycle import sweep_row
from app.schemas import SweepCreate
from app.sweeps import body_checks

MAX_IMPORTED_TRIALS = 2 * MAX_TRIALS  # rows of a file, infeasible trials included


def parsed(file: IO[bytes]) -> Any:
    """The document of an export in any of its formats, told apart by how they begin. Raises InvalidError."""
    begin = file.read(64)
    file.seek(0)
    if begin.startswith(parquet_format.MAGIC):
        return parquet_format.read(file)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return json_format.read(file)
    if not begin:
        raise wrong((), "is empty: send a sweep that was exported as JSON, CSV or Parquet")
    return csv_format.read(file)


def restore(session: Session, document: Any) -> Sweep:
    """Stores the sweep of an export's document under a new number. Raises InvalidError that names what is wrong.

    Trials that waited or ran wait, and a sweep that had not ended is paused.
    """
    facts, origin = _sweep_facts(document)
    trials = document.get("trials")
    if not isinstance(trials, list) or not 1 <= len(trials) <= MAX_IMPORTED_TRIALS:
        raise wrong(("trials",), f"must be a list of 1 to {MAX_IMPORTED_TRIALS:,} trials")
    workers = set(session.scalars(select(Worker.id)))
    checked = [CheckedTrial(trial, place, facts, workers) for place, trial in enumerate(trials)]
    _check_counts(document, checked)
    _check_together(facts, checked)
    sweep = Sweep(**facts, imported_from=origin)
    session.add(sweep)
    session.flush()
    _insert(session, sweep.id, checked)
    sweep_row.close_if_done(session, [sweep.id])
    notifications.notify(session, sweep.id)
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
    _check_environment(facts.get("environment", {}))
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
        body_checks.checked(SweepCreate.model_validate(body))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise wrong(("sweep", *found["loc"]), str(found["msg"])) from None


def _check_environment(environment: Mapping[str, Any]) -> None:
    for name, one in environment.items():
        right = list if name == "devices" else str
        if not isinstance(one, right) or not all(isinstance(part, str) for part in one):
            words = "must be a list of texts" if name == "devices" else "must be text"
            raise wrong(("sweep", "environment", name), words)


def _check_counts(document: Mapping[str, Any], trials: list[CheckedTrial]) -> None:
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


def _check_together(sweep: Mapping[str, Any], trials: list[CheckedTrial]) -> None:
    if len({trial.facts["number"] for trial in trials}) != len(trials):
        raise wrong(("trials",), "must have a number of their own each")
    if sweep["state"] in ENDED_SWEEPS and any(trial.facts["state"] in LIVE_TRIALS for trial in trials):
        raise wrong(("sweep", "state"), f"can't be {sweep['state']}: some of its trials have not ended")


def _insert(session: Session, sweep_id: int, trials: list[CheckedTrial]) -> None:
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

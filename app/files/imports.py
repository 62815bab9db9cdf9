"""The import of an exported sweep as a new one: all of it, with all checks applied, or nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import datasets, notifications
from app.db.engine import allow_idleness, connect, transaction
from app.db.tables import Base, Diagnostics, Epoch, Run, StoredDataset, Sweep, Trial, Worker
from app.domain.body import plain_sentence
from app.domain.devices.products import EXACT, PRODUCTS
from app.domain.people.log_events import LogEvent
from app.domain.space import parse_space
from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState
from app.domain.sweep_limits import MAX_TRIALS
from app.errors import in_short
from app.files import child
from app.files.exports import csv_format, json_format, parquet_format
from app.files.exports.fields import DIAGNOSTICS, EPOCH, RUN, SWEEP, TRIAL, Field, import_error, parse_row
from app.files.exports.records import CONTENT_HASH, FORMAT, PART, VERSION
from app.files.import_checks import ImportedSpace, ImportedTrial, check_test_scores, check_warm_started
from app.files.import_limits import check_sweep_words
from app.lifecycle import sweep_log, sweep_row
from app.schemas import SweepCreate
from app.sweeps import body_checks

MAX_IMPORTED_TRIALS = 2 * MAX_TRIALS  # rows of a file, infeasible trials included


def restore_file(path: str, database_url: str, caller: str | None = None) -> int:
    """The number of the sweep that is restored from an export's file, in a transaction of its own, for this caller."""
    with Path(path).open("rb") as file:
        document = parse(file)
    engine = connect(database_url, "import", pool_size=1, statement_seconds=child.LIMITS.seconds)
    try:
        with transaction(engine) as session:
            allow_idleness(session)  # the child that checks 100,000 trials has bounds of its own
            sweep_log.set_caller(session, caller)
            return restore(session, document).id
    finally:
        engine.dispose()


def parse(file: IO[bytes]) -> Any:
    """The document of an export in any of its formats, told apart by how they begin. Raises InvalidError."""
    begin = file.read(64)
    file.seek(0)
    if begin.startswith(parquet_format.MAGIC):
        return parquet_format.read(file)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return json_format.read(file)
    if not begin:
        raise import_error((), "is empty: send a sweep that was exported as JSON, CSV or Parquet")
    return csv_format.read(file)


def restore(session: Session, document: Any) -> Sweep:
    """Stores the sweep of an export's document under a new number. Raises InvalidError that names what is wrong.

    Trials that waited or ran wait, and a sweep that had not ended is paused.
    """
    facts, origin = _sweep_facts(session, document)
    trials = document.get("trials")
    if not isinstance(trials, list) or not 1 <= len(trials) <= MAX_IMPORTED_TRIALS:
        raise import_error(("trials",), f"must be a list of 1 to {MAX_IMPORTED_TRIALS:,} trials")
    workers = set(session.scalars(select(Worker.id)))
    space = ImportedSpace(parse_space(facts["space"], facts["task"]), _longer_epochs(trials))
    imported_trials = [ImportedTrial(trial, place, facts, space, workers) for place, trial in enumerate(trials)]
    _check_counts(document, imported_trials)
    _check_together(facts, imported_trials)
    sweep = Sweep(**facts, imported_from=origin)
    session.add(sweep)
    session.flush()
    _insert(session, sweep.id, imported_trials)
    origin_text = "" if origin is None else f", sweep {origin} where it was exported"
    sweep_log.note(session, sweep.id, LogEvent.imported, f"Imported from a file{origin_text}")
    sweep_row.close_if_done(session, [sweep.id])
    notifications.notify(session, sweep.id)
    session.refresh(sweep)
    return sweep


def _sweep_facts(session: Session, document: Any) -> tuple[dict[str, Any], int | None]:
    """The columns and the data set of the new sweep, and the number of the exported one."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise import_error(("format",), f"must be {FORMAT!r}: only a sweep that Perceptune exported can be imported")
    if isinstance(part := document.get(PART), dict):
        options = ", ".join(map(str, query))[:80] if isinstance(query := part.get("query"), dict) else "options"
        count_text = f"{part.get('trials')} of {part.get('of')} trials"
        sentence = f"says that the file was exported with {options} and holds {count_text}"
        raise import_error((PART,), f"{sentence}: import one that was exported whole, without options")
    if document.get("version") != VERSION:
        raise import_error(("version",), f"must be {VERSION}: the file is of another version of Perceptune")
    values = document.get("sweep")
    if not isinstance(values, dict):
        raise import_error(("sweep",), "must be an object with the sweep's facts")
    origin = values.get("id")
    if origin is not None and not (type(origin) is int and 0 < origin < 2**62):
        raise import_error(("sweep", "id"), f"must be a whole number, not {str(origin)[:80]!r}")
    facts = parse_row(SWEEP, {name: values[name] for name in values if name not in _NO_COLUMNS}, ("sweep",))
    _check_body(session, values, facts)
    check_sweep_words(facts)
    _check_environment(facts.get("environment", {}))
    check_test_scores(facts.get("test_scores", []))
    check_warm_started(facts.get("warm_started"))
    if facts["state"] not in ENDED_SWEEPS:
        facts["state"] = SweepState.paused
    if (facts["state"] in ENDED_SWEEPS) != (facts.get("finished_at") is not None):
        raise import_error(
            ("sweep", "finished_at"), f"must be set if and only if the sweep has ended; it is {values['state']}"
        )
    return facts | {"stored_dataset": _stored_dataset(session, facts["dataset"], values.get(CONTENT_HASH))}, origin


def _stored_dataset(session: Session, name: str, content_hash: object) -> StoredDataset | None:
    """The data set that is stored here under this name. Raises InvalidError where it is not the exported sweep's."""
    stored_dataset = datasets.stored(session, name)
    if content_hash != (stored_dataset.content_hash if stored_dataset else None):
        raise import_error(("sweep", "dataset"), f"was {name}, and what is called so here is another data set")
    return stored_dataset


def _check_body(session: Session, values: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Raises InvalidError for a sweep that could not be posted either.

    values: of the sweep, as the file has them; facts: the same, as the database takes them.
    """
    body = {name: values[name] for name in SweepCreate.model_fields if name in values}
    first = {"metric": values.get("metric"), "direction": values.get("direction")}
    further = body.pop("objectives", None)
    body |= {"objectives": [first, *further]} if further else {"objective": first}
    body["stop"] = values.get("stop_rules") or None
    if values.get("survivor_seeds") is not None:
        body["seeds"] = {"first": values.get("seeds"), "survivors": values["survivor_seeds"]}
    if facts["sampler"].get("name") != "grid":
        body["n_trials"] = 1
    try:
        checked_body = SweepCreate.model_validate(body)
    except ValidationError as error:
        first_error = error.errors(include_url=False)[0]
        raise import_error(("sweep", *first_error["loc"]), plain_sentence(first_error)) from None
    body_checks.check_body(checked_body, datasets.get_named(session, checked_body.dataset))


def _check_environment(environment: Mapping[str, Any]) -> None:
    for name, value in environment.items():
        right_type = list if name == "devices" else str
        if not isinstance(value, right_type) or not all(isinstance(part, str) for part in value):
            msg = "must be a list of texts" if name == "devices" else "must be text"
            raise import_error(("sweep", "environment", name), msg)
    if environment.get("products", EXACT) not in PRODUCTS:
        raise import_error(("sweep", "environment", "products"), f"must be one of {', '.join(PRODUCTS)}")


_NO_COLUMNS = {"id", CONTENT_HASH}
_OPTIONAL = {"epochs", "diagnostics"}  # an export may leave them out


def _longer_epochs(trials: Iterable[Any]) -> set[int]:
    """The epochs to which trials of the file were trained on; the space need not have them."""
    longer_trials = [trial for trial in trials if isinstance(trial, dict) and trial.get("continued_from") is not None]
    all_params = [params for trial in longer_trials if isinstance(params := trial.get("params"), dict)]
    return {epochs for params in all_params if type(epochs := params.get("epochs")) is int}


def _check_counts(document: Mapping[str, Any], trials: list[ImportedTrial]) -> None:
    """Raises InvalidError where the file holds other numbers of rows than it says."""
    counts = document.get("counts")
    if not isinstance(counts, dict):
        raise import_error(("counts",), "is missing: it says how many trials, runs and epochs there are")
    actual_counts = {
        "trials": len(trials),
        "runs": sum(len(trial.runs) for trial in trials),
        "epochs": sum(trial.n_epochs for trial in trials),
        "diagnostics": sum(trial.n_diagnostics for trial in trials),
    }
    for name, number in actual_counts.items():
        if counts.get(name) != number and not (name in _OPTIONAL and counts.get(name) is None and not number):
            raise import_error(
                ("counts", name), f"is {counts.get(name)}, but the file holds {number}: rows were lost or added"
            )


def _check_together(sweep: Mapping[str, Any], trials: list[ImportedTrial]) -> None:
    """Raises InvalidError where trials have one number, or a sweep that has ended has trials that have not."""
    if len({trial.facts["number"] for trial in trials}) != len(trials):
        raise import_error(("trials",), "must have a number of their own each")
    if sweep["state"] in ENDED_SWEEPS and any(trial.facts["state"] in LIVE_TRIALS for trial in trials):
        raise import_error(("sweep", "state"), f"can't be {sweep['state']}: some of its trials have not ended")


def _insert(session: Session, sweep_id: int, trials: list[ImportedTrial]) -> None:
    """Writes all rows of the four tables by COPY, which is ten times as fast as INSERT."""
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
        measured = ([ids[trial.facts["number"]], *row.values()] for trial in trials for row in trial.diagnostics)
        _copy(session, Diagnostics, ["trial_id", *DIAGNOSTICS], measured)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise import_error((), f"does not fit the tables: {in_short(error)}") from None


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

"""The record of a sweep for an export: its own facts, and its trials one by one, all from one moment."""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Engine, Row, Select, and_, any_, literal, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.tables import Diagnostics, Epoch, Run, Sweep, Trial
from app.files.exports.fields import DIAGNOSTICS, EPOCH, RUN, SWEEP, TRIAL, to_json
from app.files.exports.part import EVERYTHING, Choice, LensValue, Part
from app.lifecycle import sweep_row

FORMAT = "perceptune.sweep"
VERSION = 1
CONTENT_HASH = "dataset_hash"  # among the sweep's facts, where its data set is stored
PART = "part"  # in the header, of a file that does not hold all trials
ROWS_A_FETCH = 5_000


@dataclass(frozen=True)
class TrialRecord:
    """A trial with its runs and their curves."""

    facts: dict[str, Any]  # by TRIAL's columns
    runs: list[dict[str, Any]]  # by RUN's columns
    epochs: Sequence[Sequence[Any]] | None  # rows of EPOCH's columns; None in an export without epochs
    lens_value: LensValue | None = None  # its value through the lens, in a file of what a lens leaves
    diagnostics: Sequence[Sequence[Any]] | None = None  # rows of DIAGNOSTICS's columns; None in an export without them


@dataclass(frozen=True)
class SweepRecord:
    """A sweep with its trials, which can be read once, while the sweep is open."""

    name: str
    header: dict[str, Any]  # what stands once in a file: format, version, counts and the sweep's columns
    hyperparameters: list[str]  # all names in the trials' parameters
    max_runs: int  # of a trial
    with_epochs: bool
    trials: Iterator[TrialRecord]
    is_seen_otherwise: bool = False  # whether its trials have values through a lens beside their own


@contextlib.contextmanager
def open_sweep(
    engine: Engine, sweep_id: int, *, epochs: bool, diagnostics: bool = False, choice: Choice = EVERYTHING
) -> Iterator[SweepRecord]:
    """The sweep as it stands at this moment, read as it is used, a few thousand rows at a time.

    `diagnostics`: with them, where the sweep measures them; `choice`: which trials. Raises NotFoundError.
    """
    with Session(engine.execution_options(isolation_level="REPEATABLE READ")) as session, session.begin():
        sweep = sweep_row.get(session, sweep_id)
        part = None if choice.is_everything else choice.part(session, sweep)
        sizes = session.execute(_SIZES, {"sweep": sweep_id, "numbers": list(part.numbers) if part else None}).one()
        diagnostics = diagnostics and sweep.diagnostics
        # closed before the session, whose connection goes to others: who reads may leave before the end
        with contextlib.closing(_trials(session, sweep_id, epochs, diagnostics, part)) as trials:
            yield SweepRecord(
                name=sweep.name,
                header=_header(sweep, sizes, epochs, diagnostics) | ({PART: part.facts} if part else {}),
                hyperparameters=sorted(sizes.names or [], key=_order(sweep)),
                max_runs=sizes.max_runs,
                with_epochs=epochs,
                trials=trials,
                is_seen_otherwise=bool(part and part.values),
            )


def _header(sweep: Sweep, sizes: Row[Any], epochs: bool, diagnostics: bool) -> dict[str, Any]:
    counts = {"trials": sizes.trials, "runs": sizes.runs, "epochs": sizes.epochs if epochs else None}
    return {
        "format": FORMAT,
        "version": VERSION,
        "perceptune": version("perceptune"),
        "exported_at": datetime.now(UTC).isoformat(),
        "counts": counts | ({"diagnostics": sizes.diagnostics} if diagnostics else {}),
        "sweep": {"id": sweep.id} | _content_hash(sweep) | {name: to_json(getattr(sweep, name)) for name in SWEEP},
    }


def _content_hash(sweep: Sweep) -> dict[str, str]:
    """By what a stored data set is known, in whatever installation."""
    content_hash = sweep.dataset_info.content_hash
    return {} if content_hash is None else {CONTENT_HASH: content_hash}


def _order(sweep: Sweep) -> Any:
    """A sort key for hyperparameters: in the order of the space, then the others by name."""
    place = {name: index for index, name in enumerate(sweep.space)}
    return lambda name: (place.get(name, len(place)), name)


def _trials(
    session: Session, sweep_id: int, epochs: bool, diagnostics: bool, part: Part | None
) -> Generator[TrialRecord]:
    # an array is one parameter, of which a statement can't have as many as a sweep has trials
    is_chosen = true() if part is None else Trial.number == any_(literal(list(part.numbers), ARRAY(BigInteger)))
    of_sweep = and_(Trial.sweep_id == sweep_id, is_chosen)
    trials = select(*(getattr(Trial, name) for name in TRIAL)).where(of_sweep).order_by(Trial.number)
    runs = select(Trial.number, *(getattr(Run, name) for name in RUN)).join(Run).where(of_sweep)
    points = select(Trial.number, *(getattr(Epoch, name) for name in EPOCH)).join(Epoch).where(of_sweep)
    runs, points = runs.order_by(Trial.number, Run.seed), points.order_by(Trial.number, Epoch.seed, Epoch.epoch)
    measured = select(Trial.number, *(getattr(Diagnostics, name) for name in DIAGNOSTICS)).join(Diagnostics)
    measured = measured.where(of_sweep).order_by(Trial.number, Diagnostics.seed, Diagnostics.epoch)
    with contextlib.ExitStack() as cursors:

        def streamed(query: Select[Any]) -> Iterable[Sequence[Any]]:
            """Rows through a cursor of the server's. By the connection: a session looks for objects in each row."""
            rows = session.connection().execute(query, execution_options={"yield_per": ROWS_A_FETCH})
            return cursors.enter_context(contextlib.closing(rows))

        runs_of = _GroupedRows(streamed(runs))
        points_of = _GroupedRows(streamed(points) if epochs else ())
        diagnostics_of = _GroupedRows(streamed(measured) if diagnostics else ())
        for row in streamed(trials):
            facts = dict(zip(TRIAL, map(to_json, row), strict=True))
            yield TrialRecord(
                facts,
                [dict(zip(RUN, map(to_json, run), strict=True)) for run in runs_of.take(facts["number"])],
                points_of.take(facts["number"]) if epochs else None,
                part.values.get(facts["number"]) if part else None,
                diagnostics_of.take(facts["number"]) if diagnostics else None,
            )


class _GroupedRows:
    """Rows in the order of their first column, taken group by group."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._groups = groupby(rows, key=lambda row: row[0])
        self._next: tuple[int, Any] | None = next(self._groups, None)

    def take(self, number: int) -> list[Sequence[Any]]:
        """The rows of this number, without that column; call it in the order of the numbers."""
        if self._next is None or self._next[0] != number:
            return []
        rows = [row[1:] for row in self._next[1]]
        self._next = next(self._groups, None)
        return rows


_SIZES = text("""
    WITH sweep_trials AS MATERIALIZED (
             SELECT id, params FROM trials WHERE sweep_id = :sweep
                AND (CAST(:numbers AS bigint[]) IS NULL OR number = ANY(CAST(:numbers AS bigint[])))
         ),
         run_counts AS (
             SELECT count(*) AS runs FROM runs WHERE trial_id IN (SELECT id FROM sweep_trials) GROUP BY trial_id
         )
    SELECT (SELECT count(*) FROM sweep_trials) AS trials,
           (SELECT CAST(coalesce(sum(runs), 0) AS bigint) FROM run_counts) AS runs,
           (SELECT coalesce(max(runs), 0) FROM run_counts) AS max_runs,
           (SELECT count(*) FROM epochs WHERE trial_id IN (SELECT id FROM sweep_trials)) AS epochs,
           (SELECT count(*) FROM diagnostics WHERE trial_id IN (SELECT id FROM sweep_trials)) AS diagnostics,
           (SELECT array_agg(DISTINCT name) FROM sweep_trials, json_object_keys(params) AS name) AS names
""")

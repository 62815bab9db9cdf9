"""A sweep as it is read for an export: its own facts, and its trials one after the other, from one moment."""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, Row, Select, select, text
from sqlalchemy.orm import Session

from app.db.tables import Epoch, Run, Sweep, Trial
from app.files.exports.fields import EPOCH, RUN, SWEEP, TRIAL, plain
from app.lifecycle import sweep_row

FORMAT = "perceptune.sweep"
VERSION = 1
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class TrialRecord:
    """A trial with its runs. `epochs`: its curves as rows of EPOCH's columns, None where they were not asked for."""

    facts: dict[str, Any]
    runs: list[dict[str, Any]]
    epochs: Sequence[Sequence[Any]] | None


@dataclass(frozen=True)
class SweepRecord:
    """`header` is what stands once; `hyperparameters` are all names in the trials' parameters."""

    name: str
    header: dict[str, Any]
    hyperparameters: list[str]
    most_runs: int
    with_epochs: bool
    trials: Iterator[TrialRecord]


@contextlib.contextmanager
def opened(engine: Engine, sweep_id: int, *, epochs: bool) -> Iterator[SweepRecord]:
    """The sweep as it stands at this moment, read as it is used, a few thousand rows at a time.

    Raises NotFoundError.
    """
    with Session(engine.execution_options(isolation_level="REPEATABLE READ")) as session, session.begin():
        sweep = sweep_row.get(session, sweep_id)
        shape = session.execute(_SHAPE, {"sweep": sweep_id}).one()
        # closed before the session, whose connection goes to others: who reads may leave before the end
        with contextlib.closing(_trials(session, sweep_id, epochs)) as trials:
            yield SweepRecord(
                name=sweep.name,
                header=_header(sweep, shape, epochs),
                hyperparameters=sorted(shape.names or [], key=_order(sweep)),
                most_runs=shape.most_runs,
                with_epochs=epochs,
                trials=trials,
            )


def _header(sweep: Sweep, shape: Row[Any], epochs: bool) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "perceptune": version("perceptune"),
        "exported_at": datetime.now(UTC).isoformat(),
        "counts": {"trials": shape.trials, "runs": shape.runs, "epochs": shape.epochs if epochs else None},
        "sweep": {"id": sweep.id} | {name: plain(getattr(sweep, name)) for name in SWEEP},
    }


def _order(sweep: Sweep) -> Any:
    """As in the space, then the others by name."""
    place = {name: index for index, name in enumerate(sweep.space)}
    return lambda name: (place.get(name, len(place)), name)


def _trials(session: Session, sweep_id: int, epochs: bool) -> Generator[TrialRecord]:
    of_sweep = Trial.sweep_id == sweep_id
    trials = select(*(getattr(Trial, name) for name in TRIAL)).where(of_sweep).order_by(Trial.number)
    runs = select(Trial.number, *(getattr(Run, name) for name in RUN)).join(Run).where(of_sweep)
    points = select(Trial.number, *(getattr(Epoch, name) for name in EPOCH)).join(Epoch).where(of_sweep)
    runs, points = runs.order_by(Trial.number, Run.seed), points.order_by(Trial.number, Epoch.seed, Epoch.epoch)
    with contextlib.ExitStack() as cursors:

        def streamed(query: Select[Any]) -> Iterable[Sequence[Any]]:
            """Rows through a cursor of the server's. By the connection: a session looks for objects in each row."""
            found = session.connection().execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
            return cursors.enter_context(contextlib.closing(found))

        runs_of = _Groups(streamed(runs))
        points_of = _Groups(streamed(points) if epochs else ())
        for row in streamed(trials):
            facts = dict(zip(TRIAL, map(plain, row), strict=True))
            yield TrialRecord(
                facts,
                [dict(zip(RUN, map(plain, run), strict=True)) for run in runs_of.take(facts["number"])],
                points_of.take(facts["number"]) if epochs else None,
            )


class _Groups:
    """Rows in the order of their first column, taken group by group."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._groups = groupby(rows, key=lambda row: row[0])
        self._next: tuple[int, Any] | None = next(self._groups, None)

    def take(self, number: int) -> list[Sequence[Any]]:
        """The rows of this number without it; numbers are asked for in order."""
        if self._next is None or self._next[0] != number:
            return []
        rows = [row[1:] for row in self._next[1]]
        self._next = next(self._groups, None)
        return rows


_SHAPE = text("""
    WITH mine AS MATERIALIZED (SELECT id, params FROM trials WHERE sweep_id = :sweep),
         run_counts AS (SELECT count(*) AS runs FROM runs WHERE trial_id IN (SELECT id FROM mine) GROUP BY trial_id)
    SELECT (SELECT count(*) FROM mine) AS trials,
           (SELECT CAST(coalesce(sum(runs), 0) AS bigint) FROM run_counts) AS runs,
           (SELECT coalesce(max(runs), 0) FROM run_counts) AS most_runs,
           (SELECT count(*) FROM epochs WHERE trial_id IN (SELECT id FROM mine)) AS epochs,
           (SELECT array_agg(DISTINCT name) FROM mine, json_object_keys(params) AS name) AS names
""")

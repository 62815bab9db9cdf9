"""The sweeps that somebody looks for: searched, filtered, counted by state, sorted, and read page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import BigInteger, ColumnElement, case, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Sweep
from app.domain.states import SweepState
from app.lifecycle.best import BEST_VALUES
from app.queries.standing import facts
from app.queries.sweeps import summaries

Order = Literal["created", "name", "state", "progress", "best", "time"]
ORDERS: tuple[Order, ...] = get_args(Order)


@dataclass(frozen=True)
class SweepFilter:
    """What the sweeps have to be; what is empty is no matter."""

    text: str = ""
    """Words that all occur in the name, a tag or the notes; `12` and `#12` are the sweep of that number too."""
    state: SweepState | None = None
    tag: str = ""
    task: str = ""
    dataset: str = ""

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What holds of these sweeps."""
        columns = ((Sweep.state, self.state), (Sweep.task, self.task), (Sweep.dataset, self.dataset))
        conditions = [column == value for column, value in columns if value]
        conditions += [Sweep.tags.contains([self.tag])] if self.tag else []
        return [*conditions, *(_holds(word) for word in self.text.split())]


class SweepPage(NamedTuple):
    """One page of the sweeps that match, and how many there are."""

    sweeps: Sequence[schemas.SweepOut]
    total: int
    """On all pages."""
    counts: dict[SweepState, int]
    """Those in each state that match the rest of the filter."""


def search(session: Session, sweep_filter: SweepFilter, order_by: str, *, limit: int, skip: int) -> SweepPage:
    """A page of these sweeps. `order_by` is one of ORDERS, behind a `-` the other way round."""
    by_state = select(Sweep.state, func.count().label("total")).where(*replace(sweep_filter, state=None).conditions)
    counts = {row.state: row.total for row in session.execute(by_state.group_by(Sweep.state))}
    total = counts.get(sweep_filter.state, 0) if sweep_filter.state else sum(counts.values())
    ids = _page_of_ids(session, sweep_filter, order_by, limit, skip)
    rows = {sweep.id: sweep for sweep in session.scalars(select(Sweep).where(Sweep.id.in_(ids)))}
    sweeps = summaries(session, [rows[sweep_id] for sweep_id in ids if sweep_id in rows])
    return SweepPage(sweeps, total, counts)


def used_values(session: Session, column: Literal["task", "dataset"]) -> list[str]:
    """The tasks, or the data sets, that sweeps have."""
    attribute = getattr(Sweep, column)
    return list(session.scalars(select(attribute).distinct().order_by(attribute)))


def _holds(word: str) -> ColumnElement[bool]:
    texts = (Sweep.name, func.array_to_string(Sweep.tags, " "), Sweep.notes)
    matches = [column.icontains(word, autoescape=True) for column in texts]
    number = word.removeprefix("#")
    if number.isdecimal() and len(number) < 19:
        matches.append(Sweep.id == int(number))
    return or_(*matches)


def _page_of_ids(session: Session, sweep_filter: SweepFilter, order_by: str, limit: int, skip: int) -> list[int]:
    name, is_descending = order_by.removeprefix("-"), order_by.startswith("-")
    if name in {"progress", "best"}:
        ids = list(session.scalars(select(Sweep.id).where(*sweep_filter.conditions).order_by(Sweep.id.desc())))
        sort = _by_progress if name == "progress" else _by_best
        return sort(session, ids, is_descending)[skip : skip + limit]
    column = _COLUMNS[name]
    by_column = column.desc().nulls_last() if is_descending else column.asc().nulls_last()
    query = select(Sweep.id).where(*sweep_filter.conditions).order_by(by_column, Sweep.id.desc())
    return list(session.scalars(query.limit(limit).offset(skip)))


def _by_progress(session: Session, ids: list[int], is_descending: bool) -> list[int]:
    """Completed sweeps have done all there is: the trials of the others alone are read."""
    is_open = (Sweep.id.in_(ids), Sweep.state != SweepState.completed)
    revisions = {row.id: row.revision for row in session.execute(select(Sweep.id, Sweep.revision).where(*is_open))}
    progress = {sweep_id: float(row.progress) for sweep_id, row in facts.totals(session, revisions).items()}
    return sorted(ids, key=lambda sweep_id: progress.get(sweep_id, 1.0), reverse=is_descending)


def _by_best(session: Session, ids: list[int], is_descending: bool) -> list[int]:
    """Metric by metric, as values of different ones can't be compared; behind a `-` the better comes first."""
    values = {row.sweep_id: row.value for row in session.execute(BEST_VALUES, {"ids": ids})}
    objectives = {
        row.id: (row.metric, row.direction)
        for row in session.execute(select(Sweep.id, Sweep.metric, Sweep.direction).where(Sweep.id.in_(values)))
    }

    def place(sweep_id: int) -> tuple[str, str, float]:
        metric, direction = objectives[sweep_id]
        better_first = -values[sweep_id] if direction == "maximize" else values[sweep_id]
        return metric, direction, better_first if is_descending else -better_first

    with_value = [sweep_id for sweep_id in ids if sweep_id in objectives]
    return [*sorted(with_value, key=place), *(sweep_id for sweep_id in ids if sweep_id not in objectives)]


_SECONDS = func.extract("epoch", func.coalesce(Sweep.finished_at, func.now()) - Sweep.started_at) - Sweep.ended_seconds
_COLUMNS: dict[str, ColumnElement[Any]] = {
    "created": type_coerce(Sweep.id, BigInteger),
    "name": func.lower(Sweep.name),
    "state": case({state: place for place, state in enumerate(SweepState)}, value=Sweep.state),
    "time": _SECONDS,
}

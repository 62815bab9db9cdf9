"""The table of trials on a sweep's page: its columns, filters and rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Annotated, Literal

from fastapi import Query

from app import queries, schemas
from app.charts.looks import Look, first_free, look_at, places_in
from app.domain.body import Matching
from app.domain.datasets import Target
from app.domain.formatting import setting
from app.domain.states import TrialState
from app.domain.tasks import METRICS, TASKS
from app.web.dependencies import Cursor
from app.web.pages.rendering import PageLink
from app.web.pages.sweep.tabs import TabName
from app.web.pages.sweep.trial_row import Pooled, Setting, TrialRow, pooled

TRIALS_A_PAGE = 25
MAX_SELECTED = 200

_FILTERS = ("complete", "running", "waiting", "pruned", "failed", "infeasible", "cancelled")
_NOTES = {
    "pruned": "Ended early: at that epoch they were behind the others",
    "infeasible": "Drawn by the sampler, but not trained: they break a constraint, or repeat what may not be repeated",
}

# Each link of the page has all of its query string: a long word in it would make a page of megabytes.
Word = Annotated[str, Query(max_length=200)]
Numbers = Annotated[
    str,
    Matching(r"([0-9]{1,9})?(,([0-9]{1,9})?)*", "numbers of trials with commas between them"),
    Query(max_length=10 * MAX_SELECTED),
]


@dataclass(frozen=True)
class TrialQuery:
    """What the query string of a sweep's page says: which trials, in which order, and how the values are drawn."""

    x: Word = ""
    """The hyperparameter or the metric against which values are drawn; empty: the first that varies."""
    y: Word = ""
    """The metric that is drawn; empty: the sweep's own."""
    color: Word = ""
    """The one that colours them."""
    dependence: Literal["", "true"] = ""
    """Whether a forest's expectation is drawn over them."""
    state: Word = ""
    """The states of the lens."""
    order_by: Word = "best"
    """A column; `-` before it turns it round. `best` is by value, the best first."""
    after: Cursor = None
    """How many trials came on the pages before."""
    tab: TabName = "overview"
    """The part of the page that is shown."""
    trial: Word = ""
    """The trial whose panel is open: its number, or `new` for one of the user's own."""
    selected: Numbers = ""
    """Numbers of the selected trials, each at the place of its look; an empty place is free."""

    @property
    def skip(self) -> int:
        """How many trials came on the pages before."""
        return self.after or 0

    @property
    def selected_numbers(self) -> list[int]:
        """Numbers of the selected trials, each once."""
        return list(self._selected_places)

    def look(self, number: int) -> Look:
        """How charts draw a trial that is told from others: by its place, or by that which it would be given."""
        return look_at(self._places.get(number, self._next_place))

    def at_places(self, numbers: Sequence[int]) -> str:
        """`3,,15`: these of the selected trials, each at its place."""
        numbers_at = {self._selected_places[number]: str(number) for number in numbers}
        return ",".join(numbers_at.get(place, "") for place in range(max(numbers_at) + 1))

    @cached_property
    def _selected_places(self) -> dict[int, int]:
        return places_in(self.selected)

    @cached_property
    def _places(self) -> Mapping[int, int]:
        """Those of the selected trials, and of the open one, which has the first that is free."""
        is_open = self.trial.isdecimal() and len(self.trial) < 10
        open_place = {int(self.trial): first_free(self._selected_places.values())} if is_open else {}
        return open_place | self._selected_places

    @cached_property
    def _next_place(self) -> int:
        return first_free(self._places.values())

    def order(self, direction: str) -> str:
        """The column by which trials are ordered, in a sweep whose value has this direction."""
        if self.order_by != "best":
            return self.order_by
        return "-value" if direction == "maximize" else "value"


@dataclass(frozen=True)
class Column:
    """A column's head. Where it sorts, `sort_address` has the page in that order and `order` the present one."""

    key: str
    """What the choice of columns calls it."""
    label: str
    numeric: bool = False
    sort_address: str = ""
    order: str = "none"
    extra: bool = False
    """Whether it is there only once it was chosen."""
    note: str = ""
    """What its tooltip says."""


@dataclass(frozen=True)
class StateFilter:
    """A link to the trials in one state."""

    label: str
    count: int
    address: str
    current: bool
    note: str = ""
    """What its tooltip says."""


@dataclass(frozen=True)
class TrialTable:
    """One page of a sweep's trials."""

    sweep: schemas.SweepOut
    page: schemas.Page[schemas.TrialOut]
    target: Target
    """What the sweep's data set has: classes, or numbers."""
    varied: Sequence[str]
    """The hyperparameters that have a column."""
    query: TrialQuery
    link: PageLink
    curves: Mapping[int, str] = field(default_factory=dict)
    """Small curves by trial."""
    metric_note: str = ""
    """What the tooltips of metrics say of the lens."""

    @property
    def is_timing(self) -> bool:
        """Whether the trials have no curves."""
        return TASKS[self.sweep.task].is_timing

    @cached_property
    def columns(self) -> list[Column]:
        """The heads, from left to right, but for that of the check boxes."""
        return [
            self._sorting(Column("number", "Trial"), "number", first="number"),
            self._sorting(Column("state", "State"), "state", first="state"),
            self._sorting(Column("value", "Value", numeric=True), "value", first=self._best_first),
            *([] if self.is_timing else [Column("curve", "Curve")]),
            *(self._sorting(Column(name, name, numeric=True), f"params.{name}") for name in self.varied),
            self._sorting(Column("seconds", "Time", numeric=True), "seconds"),
            *self.metric_columns,
        ]

    @cached_property
    def metric_columns(self) -> list[Column]:
        """The metrics, in columns that are there once they were chosen, or the table is sorted by them."""
        columns = (
            self._sorting(Column(name, name, numeric=True), f"metrics.{name}", first=f"{sign}metrics.{name}")
            for name in self.metrics
            for sign in ("-" if METRICS[name].maximize else "",)
        )
        return [replace(column, extra=column.order == "none", note=self.metric_note) for column in columns]

    @property
    def orders(self) -> list[Column]:
        """The columns by which it can be sorted."""
        return [column for column in self.columns if column.sort_address]

    @property
    def _best_first(self) -> str:
        """The order of values that has the best first."""
        return "-value" if self.sweep.objective.direction == "maximize" else "value"

    @property
    def width(self) -> int:
        """The number of columns, with that of the check boxes."""
        return len(self.columns) + 1

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a trial's last epoch is told by, in columns that can be chosen."""
        return () if self.is_timing else tuple(TASKS[self.sweep.task].metrics_of(self.target))

    @cached_property
    def rows(self) -> list[TrialRow]:
        """The trials, those of one configuration below its first one."""
        groups = groupby(self.page.items, key=lambda trial: trial.configuration or trial.number)
        return [row for _, trials in groups for row in self._group_rows(list(trials))]

    @property
    def filters(self) -> list[StateFilter]:
        """Links to the states in which trials are, and to all trials."""
        counts = {state: getattr(self.sweep.counts, state) for state in _FILTERS}
        current = self.query.state
        return [StateFilter("all", sum(counts.values()), self.link.to(state=""), not current)] + [
            StateFilter(state, count, self.link.to(state=state), state == current, _NOTES.get(state, ""))
            for state, count in counts.items()
            if count or state == current
        ]

    @property
    def last(self) -> int:
        """How many configurations have been shown at the end of this page."""
        return self.query.skip + sum(not row.is_member for row in self.rows)

    @property
    def previous(self) -> str:
        """The address of the page before, or nothing."""
        return self.link.to(after=max(self.query.skip - TRIALS_A_PAGE, 0) or "") if self.query.skip else ""

    @property
    def next(self) -> str:
        """The address of the next page, or nothing."""
        return self.link.to(after=self.last) if self.page.next else ""

    def _group_rows(self, trials: Sequence[schemas.TrialOut]) -> list[TrialRow]:
        first, *further = trials
        is_best, result = group_result(self.sweep, trials)
        if len(trials) >= queries.members_listed(self.sweep.first_seeds, TRIALS_A_PAGE):
            result = Pooled(*(result[:2] if result and is_best else (None, None)), 0, len(trials), is_cut=True)
        return [
            self._row(first, is_best=is_best, pooled=result),
            *(self._row(trial, is_member=True) for trial in further),
        ]

    def _row(
        self,
        trial: schemas.TrialOut,
        *,
        is_best: bool = False,
        is_member: bool = False,
        pooled: Pooled | None = None,
    ) -> TrialRow:
        settings = settings_of(trial, self.varied)
        curve = self.curves.get(trial.number, "")
        return TrialRow(trial, settings, is_best, pooled, is_member, self.sweep.objective.metric, curve)

    def _sorting(self, column: Column, name: str, *, first: str = "") -> Column:
        """The column with a link: to the order `first`, and from there to the opposite one."""
        first = first or name
        down = f"-{name}"
        opposite = name if first == down else down
        current = self.query.order(self.sweep.objective.direction)
        order = {down: "descending", name: "ascending"}.get(current, "none")
        target = opposite if current == first else first
        return Column(column.key, column.label, column.numeric, self.link.to(order_by=target), order)


def group_result(sweep: schemas.SweepOut, trials: Sequence[schemas.TrialOut]) -> tuple[bool, Pooled | None]:
    """Whether these trials of one configuration are the best one's, and their result where they are several."""
    best = sweep.best
    is_best = best is not None and any(trial.number == best.number for trial in trials)
    if len(trials) < 2 or not any(trial.state == TrialState.complete for trial in trials):
        return is_best, None
    result = pooled(trials)
    if best is not None and is_best:
        result = Pooled(best.value, best.std, best.runs, result.trials)
    return is_best, result


def settings_of(trial: schemas.TrialOut, names: Sequence[str]) -> list[Setting]:
    """The trial's values of these hyperparameters; a dash where a condition leaves one out."""
    params = trial.params or {}
    return [Setting(name, setting(params[name]) if name in params else "–") for name in names]

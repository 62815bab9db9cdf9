"""The table of trials on a sweep's page: its columns, filters and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from app import schemas
from app.domain import transitions
from app.domain.configuration import DEFAULTS
from app.domain.formatting import plural, score, setting
from app.domain.states import RunState, TrialState
from app.web.dependencies import Cursor
from app.web.pages.labels import TRIAL_BUTTONS, Button, circumstances_sentence, sentence
from app.web.pages.rendering import PageLink
from app.web.pages.sweep.tabs import TabName

TRIALS_A_PAGE = 25

_FILTERS = ("complete", "running", "waiting", "pruned", "failed", "infeasible", "cancelled")


@dataclass(frozen=True)
class TrialQuery:
    """What the query string of a sweep's page says: which trials, in which order, and how the values are drawn."""

    x: str = ""
    """The hyperparameter against which values are drawn; empty: the first that varies."""
    color: str = ""
    """The one that colours them."""
    dependence: Literal["", "true"] = ""
    """Whether a forest's expectation is drawn over them."""
    state: str = ""
    """The states of the lens."""
    order_by: str = "number"
    """A column; `-` before it turns it round."""
    after: Cursor = None
    """How many trials came on the pages before."""
    tab: TabName = "overview"
    """The part of the page that is shown."""

    @property
    def skip(self) -> int:
        """How many trials came on the pages before."""
        return self.after or 0


@dataclass(frozen=True)
class Column:
    """A column's head. Where it sorts, `sort_address` has the page in that order and `order` the present one."""

    label: str
    numeric: bool = False
    sort_address: str = ""
    order: str = "none"


@dataclass(frozen=True)
class StateFilter:
    """A link to the trials in one state."""

    label: str
    count: int
    address: str
    current: bool


class Pooled(NamedTuple):
    """The result of a configuration that has several trials."""

    value: float | None
    std: float | None
    runs: int
    trials: int


@dataclass(frozen=True)
class TrialRow:
    """A trial, and the row below it that is shown on demand."""

    trial: schemas.TrialOut
    settings: Sequence[tuple[str, str]]
    """Name and value of each hyperparameter that varies."""
    is_best: bool
    pooled: Pooled | None = None
    """Of its configuration, where it is the first of several trials."""
    is_member: bool = False
    """Whether it stands below the first trial of its configuration."""
    metric: str = "val_accuracy"
    """What its value is."""

    @property
    def style(self) -> str:
        """The class of its element."""
        styles = {
            "best-row": self.is_best,
            "excluded-row": self.trial.excluded,
            "member-row": self.is_member,
        }
        return " ".join(name for name, holds in styles.items() if holds)

    @property
    def value(self) -> str:
        """Its value, or that of its configuration where it is the first of several trials."""
        result = self.pooled or self.trial
        return score(result.value, result.std, self.metric)

    @property
    def value_remark(self) -> str:
        """What the value is of, where it is not of this trial alone."""
        return f"{plural(self.pooled.runs, 'run')} in {plural(self.pooled.trials, 'trial')}" if self.pooled else ""

    @property
    def own_value(self) -> str:
        """The value of this trial alone, where the row shows another one."""
        return f"This trial alone: {score(self.trial.value, self.trial.std, self.metric)}." if self.pooled else ""

    @property
    def remark(self) -> str:
        """What sets it apart from those that the sampler chose, or why it waits although it has begun."""
        if self.trial.excluded:
            return "excluded"
        if self.trial.rung is not None:
            return f"at rung {self.trial.rung} with {score(self.trial.rung_means[-1])}"
        if self.trial.rung_means and self.trial.state == TrialState.waiting:
            return f"promoted from rung {len(self.trial.rung_means) - 1}"
        if self.trial.continued_from is not None:
            return f"trial {self.trial.continued_from} on to {(self.trial.params or {})['epochs']} epochs"
        if self.trial.is_survivor:
            return "survivor"
        if self.trial.first_seed:
            return "rerun"
        if self.trial.warm_started_from is not None:
            return f"from sweep {self.trial.warm_started_from}"
        return "manual" if self.trial.enqueued else ""

    @property
    def toggle(self) -> str:
        """The label of the button that shows the row below."""
        return plural(len(self.trial.runs), "run") if self.trial.runs else "more"

    @property
    def reason(self) -> str:
        """Why it failed, was pruned, or was not trained."""
        return sentence(self.trial.error or self.trial.reason or "")

    @property
    def last_epoch(self) -> str:
        """The metrics after the last epoch, as a sentence; nothing for a trial without a value."""
        metrics = self.trial.metrics
        if self.trial.value is None or metrics.val_accuracy is None:
            return ""
        text = f"validation accuracy {score(metrics.val_accuracy)}, loss {score(metrics.val_loss)}"
        if metrics.train_accuracy is not None:
            text += f"; training accuracy {score(metrics.train_accuracy)}, loss {score(metrics.train_loss)}"
        return f"After the last epoch: {text}."

    @property
    def circumstances(self) -> str:
        """What a timing was measured under, as a sentence; nothing for a training."""
        return circumstances_sentence(self.trial.circumstances) if self.trial.circumstances else ""

    @property
    def min_epochs(self) -> int:
        """The fewest epochs to which it can be trained on; 0 where it can't be."""
        params = self.trial.params or {}
        is_training = self.trial.state == TrialState.complete and self.trial.circumstances is None
        can_go_on = is_training and params.get("lr_schedule") != "cosine"
        return int(params.get("epochs", DEFAULTS["epochs"])) + 1 if can_go_on else 0

    @property
    def buttons(self) -> list[Button]:
        """What can be done with it in its state."""
        calls = transitions.TRIALS.allowed(self.trial.state, ("retry", "cancel"))
        if any(run.state == RunState.diverged for run in self.trial.runs):
            calls = []  # with the same seeds it would diverge again
        return [TRIAL_BUTTONS[call] for call in ("include" if self.trial.excluded else "exclude", *calls)]


@dataclass(frozen=True)
class TrialTable:
    """One page of a sweep's trials."""

    sweep: schemas.SweepOut
    page: schemas.Page[schemas.TrialOut]
    varied: Sequence[str]
    """The hyperparameters that have a column."""
    query: TrialQuery
    link: PageLink

    @property
    def columns(self) -> list[Column]:
        """The heads, from left to right, but for that of the buttons."""
        return [
            self._sorting(Column("Trial"), "number", first="number"),
            Column("State"),
            self._sorting(Column("Value", numeric=True), "value", first="-value"),
            *(Column(name, numeric=True) for name in self.varied),
            Column("Time", numeric=True),
        ]

    @property
    def width(self) -> int:
        """The number of columns, with that of the buttons."""
        return len(self.columns) + 1

    @property
    def rows(self) -> list[TrialRow]:
        """The trials, those of one configuration below its first one."""
        groups = groupby(self.page.items, key=lambda trial: trial.configuration or trial.number)
        return [row for _, trials in groups for row in self._group_rows(list(trials))]

    @property
    def filters(self) -> list[StateFilter]:
        """Links to the states in which trials are, and to all trials."""
        counts = {state: getattr(self.sweep.counts, state) for state in _FILTERS}
        current = self.query.state
        return [
            StateFilter("all", self.sweep.n_trials + self.sweep.survivor_trials, self.link.to(state=""), not current)
        ] + [
            StateFilter(state, count, self.link.to(state=state), state == current)
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
        best = self.sweep.best
        is_best = best is not None and any(trial.number == best.number for trial in trials)
        pooled = None
        if len(trials) > 1 and any(trial.state == TrialState.complete for trial in trials):
            pooled = _pooled(trials)
            if best is not None and is_best:
                pooled = Pooled(best.value, best.std, best.runs, pooled.trials)
        first, *further = trials
        metric = self.sweep.objective.metric
        return [
            TrialRow(first, self._settings(first), is_best, pooled, metric=metric),
            *(TrialRow(trial, self._settings(trial), False, is_member=True, metric=metric) for trial in further),
        ]

    def _sorting(self, column: Column, name: str, *, first: str) -> Column:
        """The column with a link: to the order `first`, and from there to the opposite one."""
        down = f"-{name}"
        opposite = name if first == down else down
        order = {down: "descending", name: "ascending"}.get(self.query.order_by, "none")
        target = opposite if self.query.order_by == first else first
        return Column(column.label, column.numeric, self.link.to(order_by=target), order)

    def _settings(self, trial: schemas.TrialOut) -> list[tuple[str, str]]:
        params = trial.params or {}
        return [(name, setting(params[name]) if name in params else "–") for name in self.varied]


def _pooled(trials: Sequence[schemas.TrialOut]) -> Pooled:
    """Mean and sample standard deviation over all runs, each once; none where one diverged."""
    counted = [trial for trial in trials if not trial.excluded and trial.state in {"complete", "failed"}]
    runs = {run.seed: run.value for trial in counted for run in trial.runs}
    values = [value for value in runs.values() if value is not None]
    if not values or len(values) < len(runs):
        return Pooled(None, None, len(runs), len(counted))
    return Pooled(fmean(values), stdev(values) if len(values) > 1 else None, len(values), len(counted))

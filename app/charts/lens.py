"""The lens that every chart takes: which trials it shows, and what of a run's curve counts as its value."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import ge, gt, le, lt
from typing import Literal, cast

from app.charts.configurations import configurations
from app.charts.labels import escape, label
from app.charts.options import refuse
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished, ranked
from app.domain.formatting import number
from app.domain.hyperparameters import is_number
from app.domain.states import TrialState

OPTIONS = ("metric", "state", "top", "where")

LINE = 48  # characters of a subtitle's line

_STATES = tuple(state.value for state in TrialState if state != TrialState.infeasible)
_METRIC = re.compile(r"(last|best)|(mean_last|at_epoch)=([1-9][0-9]{0,4})")
_CONDITION = re.compile(r"([a-z_0-9]+)(<=|>=|!=|=|<|>)(.+)")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


Kind = Literal["last", "best", "mean_last", "at_epoch"]


@dataclass(frozen=True)
class MetricLens:
    """What counts as the value of a run."""

    kind: Kind = "last"
    number: int = 0
    """Of epochs, or of the epoch."""

    @property
    def note(self) -> str:
        """What charts say of it."""
        notes = {
            "last": "",
            "best": "value of a run: its best epoch, which is a little too good",
            "mean_last": f"value of a run: the mean of its last {self.number} epochs",
            "at_epoch": f"value of a run: after epoch {self.number}",
        }
        return notes[self.kind]


@dataclass(frozen=True)
class Condition:
    """`depth=1`: what a trial's hyperparameter has to be."""

    name: str
    operator: str
    value: str

    def holds(self, trial: TrialRow) -> bool:
        """Whether the trial has the hyperparameter, and it is so."""
        if self.name not in trial.params:
            return False
        value = trial.params[self.name]
        if self.operator in _COMPARISONS:
            return is_number(value) and _COMPARISONS[self.operator](value, float(self.value))
        return self._is_equal(value) == (self.operator == "=")

    def _is_equal(self, value: object) -> bool:
        if is_number(value) and _is_number(self.value):
            return float(self.value) == value
        return label(value) == escape(self.value)


@dataclass(frozen=True)
class Lens:
    """What a chart is to show of a sweep; by default all of it."""

    metric: MetricLens = MetricLens()
    states: tuple[str, ...] = ()
    """Those of the trials; empty for all."""
    top: float = 100.0
    """Per cent of the complete trials, the best ones."""
    where: tuple[Condition, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether it leaves out trials."""
        return bool(self.states or self.where) or self.top < 100

    def through(self, sweep: SweepRow, trials: Sequence[TrialRow]) -> tuple[SweepRow, list[TrialRow]]:
        """The sweep and the trials as they are seen through it; the subtitle of charts says so."""
        chosen_trials = [trial for trial in trials if self._passes(trial)]
        if self.top < 100:
            by_rank = ranked(sweep, finished(chosen_trials))
            best_numbers = {trial.number for trial, _ in by_rank[: math.ceil(len(by_rank) * self.top / 100)]}
            chosen_trials = [trial for trial in chosen_trials if trial.number in best_numbers]
        return self._sweep_through(sweep, chosen_trials, len(trials)), chosen_trials

    def _passes(self, trial: TrialRow) -> bool:
        return (not self.states or trial.state in self.states) and all(item.holds(trial) for item in self.where)

    def _sweep_through(self, sweep: SweepRow, trials: Sequence[TrialRow], total: int) -> SweepRow:
        """The best configuration stays that of the sweep, with its value through the lens, where it is in sight."""
        count = f"{len(trials):,} of {total:,} trials" if self.chooses else ""
        note = _lines([text for text in (*self._notes(), count) if text])
        if sweep.best is None:
            return replace(sweep, lens=note)
        of_best = next(
            (item for item in configurations(finished(trials)) if item.trial.number == sweep.best.number), None
        )
        if of_best is None:
            return replace(sweep, lens=note, best=None)
        if self.metric.kind == "last":
            return replace(sweep, lens=note)
        best = sweep.best._replace(value=of_best.mean, std=of_best.std, runs=len(of_best.runs))
        return replace(sweep, lens=note, best=best)

    def _notes(self) -> list[str]:
        conditions = [f"{escape(item.name)} {escape(item.operator)} {escape(item.value)}" for item in self.where]
        top = f"the best {number(self.top)} %" if self.top < 100 else ""
        return [self.metric.note, *conditions, " or ".join(self.states), top]


WHOLE = Lens()


def _lines(texts: Sequence[str]) -> str:
    """The texts in lines that a phone has room for."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) < LINE:
            lines[-1] += f" · {text}"
        else:
            lines.append(text)
    return "<br>".join(lines)


def parse_lens(sweep: SweepRow, query: Mapping[str, str]) -> Lens:
    """The lens of a query string. Raises InvalidError, which says what would be right."""
    return Lens(
        _metric(query.get("metric", "last")),
        _states(query.get("state", "")),
        _top(query.get("top", "100")),
        tuple(_condition(sweep, text) for text in query.get("where", "").split(",") if text),
    )


def divide(query: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The lens's part of a query string, and the chart's."""
    lens = {name: value for name, value in query.items() if name in OPTIONS}
    return lens, {name: value for name, value in query.items() if name not in OPTIONS}


def refuse_metric(lens: Lens, needs: str) -> None:
    """Raises InvalidError where a chart shows other values than one of each run."""
    if lens.metric.kind != "last" and needs not in ("trials", "runs"):
        refuse("metric", "it chooses among the epochs of a run, of which this chart shows all or none: leave it out")


def _metric(text: str) -> MetricLens:
    match = _METRIC.fullmatch(text)
    if match is None:
        refuse("metric", f"must be last, best, mean_last=k or at_epoch=n with a whole number, not {text!r}")
    simple, counted, count = match.groups()
    return MetricLens(cast(Kind, simple or counted), int(count or 0))


def _states(text: str) -> tuple[str, ...]:
    states = tuple(filter(None, text.split(",")))
    for state in states:
        if state not in _STATES:
            refuse("state", f"{state!r} is no state of a trial; there are {', '.join(_STATES)}")
    return states


def _top(text: str) -> float:
    if not _is_number(text) or not 0 < float(text) <= 100:
        refuse("top", f"must be per cent, above 0 and at most 100, not {text!r}")
    return float(text)


def _condition(sweep: SweepRow, text: str) -> Condition:
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        refuse("where", f"must be like depth=1 or learning_rate<0.1, several with commas between them, not {text!r}")
    name, operator, value = match.groups()
    if name not in sweep.axes:
        refuse("where", f"{name!r} is not a hyperparameter of this sweep; there are {', '.join(sweep.axes)}")
    if operator in _COMPARISONS and not _is_number(value):
        refuse("where", f"{name} can be compared by {operator} with a number alone, not {value!r}")
    return Condition(name, operator, value)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

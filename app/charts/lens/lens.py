"""The lens itself: the trials that pass it, and what it leaves out in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.charts.configurations import Configuration, best_configuration, configurations, run_count
from app.charts.labels import escape
from app.charts.lens.condition import Condition
from app.charts.lens.metric import LAST, MetricLens
from app.charts.rows import BestRow, SweepRow, TrialRow
from app.charts.select import finished
from app.domain.formatting import number, plural
from app.domain.objectives import Objective

LINE = 48  # characters of a subtitle's line


@dataclass(frozen=True)
class Sight:
    """What is seen of a sweep's trials, and what is left out."""

    trials: Sequence[TrialRow]
    left_out: Sequence[str]
    """`12 trials are in other states`, one for each part of the lens that leaves out some."""


@dataclass(frozen=True)
class Lens:
    """What a chart is to show of a sweep; by default all of it."""

    metric: MetricLens = LAST
    objective: Objective | None = None
    """Another one than the first of the sweep's several: what values are, and what the best is the best by."""
    states: tuple[str, ...] = ()
    """Those of the trials; empty for all."""
    top: float = 100.0
    """Per cent of the configurations that have a mean, the best ones by it, each with all its trials."""
    where: tuple[Condition, ...] = ()
    robust: bool = False
    """Whether values lie on a scale on which neither the best nor the worst hide the others."""

    @property
    def chooses(self) -> bool:
        """Whether it leaves out trials."""
        return bool(self.states or self.where) or self.top < 100

    @property
    def is_of_own_values(self) -> bool:
        """Whether values are those that trials have in their rows."""
        return self.metric == LAST and self.objective is None

    @property
    def query(self) -> dict[str, str]:
        """Its parts that are not the usual ones, as a query string has them."""
        parts = {
            "objective": self.objective.metric if self.objective else "",
            "metric": self.metric.text if self.metric != LAST else "",
            "state": ",".join(self.states),
            "top": number(self.top) if self.top < 100 else "",
            "where": ",".join(item.text for item in self.where),
            "robust": "true" if self.robust else "",
        }
        return {name: text for name, text in parts.items() if text}

    def through(self, sweep: SweepRow, trials: Sequence[TrialRow]) -> tuple[SweepRow, list[TrialRow]]:
        """The sweep and the trials as they are seen through it; the subtitle of charts says so."""
        chosen_trials = list(self.sight(sweep, trials).trials)
        return self._sweep_through(sweep, chosen_trials, len(trials)), chosen_trials

    def sight(self, sweep: SweepRow, trials: Sequence[TrialRow]) -> Sight:
        """The trials that pass, and how many each part of it leaves out of what the parts before it let through."""
        left_out: list[str] = []
        chosen_trials = list(trials)

        def choose(remaining_trials: list[TrialRow], words: str) -> None:
            nonlocal chosen_trials
            if count := len(chosen_trials) - len(remaining_trials):
                left_out.append(f"{plural(count, 'trial')} {words}")
            chosen_trials = remaining_trials

        if self.states:
            choose([trial for trial in chosen_trials if trial.state in self.states], "in other states")
        for item in self.where:
            choose([trial for trial in chosen_trials if item.holds(trial)], f"without {item.note}")
        if self.top < 100:
            best_numbers = self._best_numbers(sweep, chosen_trials)
            choose([trial for trial in chosen_trials if trial.number in best_numbers], "not among the best")
        return Sight(chosen_trials, left_out)

    def _best_numbers(self, sweep: SweepRow, trials: Sequence[TrialRow]) -> set[int]:
        scored = finished(trials)
        by_rank = sorted(configurations(scored), key=lambda item: sweep.objective.rank(item.mean, item.trial.number))
        best = [item.trial for item in by_rank[: math.ceil(len(by_rank) * self.top / 100)]]
        best_keys = {trial.configuration or trial.number for trial in best}
        return {trial.number for trial, _ in scored if (trial.configuration or trial.number) in best_keys}

    def _sweep_through(self, sweep: SweepRow, trials: Sequence[TrialRow], total: int) -> SweepRow:
        """The best configuration stays that of the sweep, with its value through the lens, where it is in sight."""
        count = f"{len(trials):,} of {total:,} trials" if self.chooses else ""
        note = _lines([text for text in (*self._notes(), count) if text])
        of_best = best_in_sight(sweep, trials)
        sweep = replace(sweep, lens=note, run_value=self.metric.kind)
        if sweep.best is None or of_best is None:
            return replace(sweep, best=None)
        if self.metric.kind == "last":
            return sweep
        best = sweep.best._replace(value=of_best.mean, std=of_best.std, runs=len(of_best.runs))
        return replace(sweep, best=best)

    def _notes(self) -> list[str]:
        top = f"the best {number(self.top)} %" if self.top < 100 else ""
        return [self.metric.note, *(escape(item.note) for item in self.where), " or ".join(self.states), top]


WHOLE = Lens()


def of_objective(sweep: SweepRow, trials: Sequence[TrialRow], objective: Objective) -> SweepRow:
    """The sweep as one of another objective, in which the trials have their values: its best one is that by it."""
    sweep = replace(sweep, objective=objective)
    item = best_configuration(sweep, trials)
    if item is None:
        return replace(sweep, best=None)
    best = BestRow(item.trial.number, item.mean, item.std, run_count(sweep, item), item.trial.params)
    return replace(sweep, best=best)


def best_in_sight(sweep: SweepRow, trials: Sequence[TrialRow]) -> Configuration | None:
    """The sweep's best configuration, of the trials that are in sight, or None."""
    if sweep.best is None:
        return None
    best_number = sweep.best.number
    first = next((trial for trial in trials if trial.number == best_number), None)
    if first is None:
        return None
    same_trials = [t for t in trials if t is first or (first.configuration and t.configuration == first.configuration)]
    return next((item for item in configurations(finished(same_trials)) if item.trial.number == best_number), None)


def _lines(texts: Sequence[str]) -> str:
    """The texts in lines that a phone has room for."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) < LINE:
            lines[-1] += f" · {text}"
        else:
            lines.append(text)
    return "<br>".join(lines)

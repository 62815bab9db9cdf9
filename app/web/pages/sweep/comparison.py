"""Trials side by side: what they differ in, and whether their values do at equal seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app import schemas
from app.domain.comparisons.paired_differences import PairedDifference, paired_difference
from app.domain.formatting import duration, plural, score, setting

COMPARED = 6  # trials: as many columns as can be read


class ComparisonRow(NamedTuple):
    """One line of the table."""

    name: str
    texts: Sequence[str]
    """By trial."""
    differs: bool = False


@dataclass(frozen=True)
class Comparison:
    """The first of the selected trials, in the order in which they were selected."""

    trials: Sequence[schemas.TrialOut]
    objective: schemas.Objective
    left_out: int = 0
    """Selected trials that have no column."""

    @property
    def params(self) -> list[ComparisonRow]:
        """The parameters, those first in which the trials differ."""
        names = dict.fromkeys(name for trial in self.trials for name in trial.params or {})
        rows = [self._param(name) for name in names]
        return sorted(rows, key=lambda row: not row.differs)

    @property
    def results(self) -> list[ComparisonRow]:
        """What came out."""
        values = [score(trial.value, trial.std, self.objective.metric) for trial in self.trials]
        runs = [str(sum(run.value is not None for run in trial.runs)) for trial in self.trials]
        times = ["–" if trial.seconds is None else duration(trial.seconds) for trial in self.trials]
        return [ComparisonRow("value", values), ComparisonRow("runs", runs), ComparisonRow("time", times)]

    @property
    def sentences(self) -> list[str]:
        """How the best of them differs from each of the others, at equal seeds."""
        valued = [trial for trial in self.trials if trial.value is not None]
        if len(valued) < 2:
            return ["A difference needs two trials with values."]
        sign = -1 if self.objective.direction == "maximize" else 1
        best, *rivals = sorted(valued, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        return [difference_sentence(best, rival, self.objective) for rival in rivals]

    def _param(self, name: str) -> ComparisonRow:
        texts = [setting(trial.params[name]) if trial.params and name in trial.params else "–" for trial in self.trials]
        return ComparisonRow(name, texts, len(set(texts)) > 1)


def difference_sentence(best: schemas.TrialOut, rival: schemas.TrialOut, objective: schemas.Objective) -> str:
    """`Trial 40 is better than trial 54 by 0.0046 (95 %: 0.0010 to 0.0082): more than noise, at 5 equal seeds.`"""
    difference = paired_difference(_values(best), _values(rival))
    pair = f"Trial {best.number} and trial {rival.number}"
    if difference is None:
        return f"{pair} share no seed, so their values can't be compared at equal seeds."
    if objective.direction == "minimize":
        difference = _turned(difference)
    amount = score(difference.estimate, None, objective.metric)
    if difference.interval is None:
        return f"{pair} differ by {amount} at the one seed that both have, which says nothing of noise."
    low, high = (score(bound, None, objective.metric) for bound in difference.interval)
    seeds = f"at {plural(difference.n, 'equal seed')}"
    if difference.interval[1] < 0:  # over the seeds that both have it is the other way round
        return difference_sentence(rival, best, objective)
    by = f"by {amount} (95 %: {low} to {high})"
    if difference.interval[0] > 0:
        return f"Trial {best.number} is better than trial {rival.number} {by}: more than noise, {seeds}."
    return f"{pair} differ {by}: within the noise, {seeds}."


def _turned(difference: PairedDifference) -> PairedDifference:
    """The difference of the two the other way round."""
    interval = None if difference.interval is None else (-difference.interval[1], -difference.interval[0])
    return PairedDifference(-difference.estimate, interval, difference.n, difference.correlation)


def _values(trial: schemas.TrialOut) -> dict[int, float]:
    return {run.seed: run.value for run in trial.runs if run.value is not None}

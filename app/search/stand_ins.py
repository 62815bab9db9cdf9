"""Values that stand in for those of trials without final ones, for samplers that look at complete trials alone."""

import statistics
from collections.abc import Sequence

from app.domain.objectives import Objective
from app.search.history import Observation, best_first


class StandIns:
    """Values behind the worst complete trial: pruned trials in their order, then all that has no value.

    A pruned trial's own value is of an earlier epoch than those it would be compared with. The steps between the
    stand-ins are small beside the spread of the complete values, and grow with the share of trials that were pruned.
    """

    mean: tuple[float, ...] = ()
    """The mean of the complete values; empty where there are none."""

    def __init__(self, observations: Sequence[Observation], objectives: Sequence[Objective]) -> None:
        complete_values = [trial.values for trial in observations if trial.state == "complete"]
        pruned_trials = [trial for trial in observations if trial.state == "pruned" and trial.values]
        self._places = {
            trial.number: place for place, trial in enumerate(best_first(pruned_trials, objectives[0]), start=1)
        }
        self._worst: list[float] = []
        self._step: list[float] = []
        count = len(complete_values) + len(pruned_trials)
        columns = list(zip(*complete_values, strict=True)) or [(0.0,) for _ in objectives if pruned_trials]
        for column, objective in zip(columns, objectives, strict=False):  # no columns where there are no values
            worst, best = sorted((min(column), max(column)), reverse=not objective.maximize)
            spread = worst - best or (-1.0 if objective.maximize else 1.0)
            self._worst.append(worst)
            self._step.append(spread / count if pruned_trials else 0.0)
        if complete_values:
            self.mean = tuple(map(statistics.fmean, columns))

    def behind_complete(self, trial: Observation) -> tuple[float, ...]:
        """The values that stand in for the trial's; empty before any trial had one."""
        place = self._places.get(trial.number, len(self._places) + 1)
        return tuple(worst + place * step for worst, step in zip(self._worst, self._step, strict=True))

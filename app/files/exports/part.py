"""A part of a sweep for a file that does not hold all of it: trials that a lens leaves, or that were selected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.charts.lens import WHOLE, Lens
from app.charts.lens.metric import LAST
from app.charts.options import refuse
from app.db.tables import Sweep, Trial
from app.domain.formatting import plural
from app.domain.states import TrialState
from app.domain.tasks import TASKS
from app.queries.lens.trials import trials_in_sight


class LensValue(NamedTuple):
    """A trial's value through the lens, and the spread over its runs."""

    value: float | None
    std: float | None


@dataclass(frozen=True)
class Part:
    """Which trials a file holds, and what it says of the others."""

    numbers: Sequence[int]
    facts: Mapping[str, Any]
    """What stands in the header as `part`: how it was chosen, how many trials there are, and which were left out."""
    values: Mapping[int, LensValue] = field(default_factory=dict)
    """By number, where the lens takes another value of a run than its last; empty where the file has the plain ones."""


@dataclass(frozen=True)
class Choice:
    """Which trials are asked for, of whatever sweep."""

    lens: Lens
    include_excluded: bool = True
    numbers: Sequence[int] | None = None
    """Those that were selected, or None for all."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out, and nothing seen in another way."""
        whole_lens = self.lens.is_of_own_values and not self.lens.chooses
        return whole_lens and self.include_excluded and self.numbers is None

    def check(self, sweep: Sweep) -> None:
        """Raises InvalidError where this sweep can't be seen so."""
        if TrialState.infeasible in self.lens.states:
            refuse("state", "infeasible draws have no values to look at: whole files have them, without a lens")
        if self.lens.metric != LAST and TASKS[sweep.task].is_timing:
            refuse("metric", "what is timed has no epochs to choose from: leave it out")

    def part(self, session: Session, sweep: Sweep) -> Part:
        """What it chooses of this sweep."""
        sight = trials_in_sight(session, sweep, self.lens)
        included_trials = [trial for trial in sight.trials if self.include_excluded or not trial.excluded]
        numbers = {trial.number for trial in included_trials} if self.numbers is None else set(self.numbers)
        trials = [trial for trial in included_trials if trial.number in numbers]
        infeasible = select(func.count()).where(Trial.sweep_id == sweep.id, Trial.state == TrialState.infeasible)
        excluded, unselected = len(sight.trials) - len(included_trials), len(included_trials) - len(trials)
        n_infeasible = session.scalars(infeasible).one()
        counts = {
            plural(excluded, "excluded trial"): excluded,
            f"{plural(unselected, 'trial')} not selected": unselected,
            plural(n_infeasible, "infeasible draw"): n_infeasible,
        }
        facts = {
            "query": self._query,
            "trials": len(trials),
            "of": sight.total + n_infeasible,
            "left_out": [*sight.left_out, *(words for words, count in counts.items() if count)],
        }
        by_number = {trial.number: LensValue(trial.value, trial.std) for trial in trials}
        values = {} if self.lens.is_of_own_values else by_number
        return Part([trial.number for trial in trials], facts, values)

    @property
    def _query(self) -> dict[str, str]:
        query = self.lens.query | ({} if self.include_excluded else {"include_excluded": "false"})
        return query | ({} if self.numbers is None else {"trials": ",".join(map(str, self.numbers))})


EVERYTHING = Choice(WHOLE)

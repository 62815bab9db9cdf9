"""Groups of trials that a chart tells apart: by their state, or by the value of a hyperparameter."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.charts.labels import label
from app.charts.rows import TrialRow
from app.domain.formatting import number
from app.domain.hyperparameters import is_number
from app.domain.states import TrialState

STATE = "state"
GROUPS = 6  # of values; with more, numbers are taken together in ranges, and of others the rare ones
RANGES = 4
OTHERS, WITHOUT = "other values", "without it"


class Grouping(NamedTuple):
    """Which groups there are, and which one a trial is of."""

    names: Sequence[str]
    """In their order; none is empty."""
    name_of: Callable[[TrialRow], str]
    is_ordered: bool
    """Whether they are numbers, or ranges of one."""


def grouping(trials: Sequence[TrialRow], by: str) -> Grouping:
    """The groups of these trials by their state, or by a hyperparameter."""
    if by == STATE:
        states = {trial.state for trial in trials}
        return Grouping([state for state in TrialState if state in states], lambda trial: trial.state, False)
    values = [trial.params[by] for trial in trials if by in trial.params]
    are_numbers = all(map(is_number, values))
    if are_numbers and len(set(map(label, values))) > GROUPS:
        name_of = _range_namer(by, sorted({float(str(value)) for value in values}))
        ordered_trials = sorted(trials, key=lambda trial: float(str(trial.params.get(by, "inf"))))
        names = [*dict.fromkeys(map(name_of, ordered_trials))]
    else:
        name_of = _value_namer(by, Counter(map(label, values)))
        ordered_names = dict.fromkeys(
            map(label, sorted(values, key=lambda value: float(str(value)) if are_numbers else label(value)))
        )
        shown_names = set(map(name_of, trials))
        names = [name for name in (*ordered_names, OTHERS, WITHOUT) if name in shown_names]
    return Grouping(names, name_of, are_numbers and names[-1:] != [WITHOUT])


def _value_namer(by: str, counts: Counter[str]) -> Callable[[TrialRow], str]:
    """By value; of too many values the rarest are others."""
    common = counts if len(counts) <= GROUPS else {name for name, _ in counts.most_common(GROUPS - 1)}

    def name_of(trial: TrialRow) -> str:
        if by not in trial.params:
            return WITHOUT
        name = label(trial.params[by])
        return name if name in common else OTHERS

    return name_of


def _range_namer(by: str, numbers: Sequence[float]) -> Callable[[TrialRow], str]:
    """By ranges that hold as many different values each."""
    begins = [numbers[len(numbers) * place // RANGES] for place in range(RANGES)]
    ends = [f"up to {number(begin)}" for begin in begins[1:]] + [f"to {number(numbers[-1])}"]

    def name_of(trial: TrialRow) -> str:
        if by not in trial.params:
            return WITHOUT
        place = bisect_right(begins, float(str(trial.params[by]))) - 1
        return f"{number(begins[place])} {ends[place]}"

    return name_of

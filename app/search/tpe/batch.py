"""A search by TPE for one objective that has begun to learn: many asks, of which each sees the ones before it.

Optuna's own keeps and checks all trials in a study, and makes its kernels anew for each ask. Here rows of numbers are
kept, and its kernels are made once: from one ask to the next one more trial runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.study import StudyDirection
from optuna.trial import TrialState

from app.search.tpe.axes import Axes
from app.search.tpe.kernels import Kernels

_ROOM = 128  # for trials that are asked for, before all is made anew with more of it


@dataclass(frozen=True)
class ToldTrial:
    """A trial, as Optuna's split into good trials and all others looks at it."""

    params: Mapping[str, Any]
    state: TrialState
    value: float | None
    constraints: Mapping[str, float]
    intermediate_values: Mapping[int, float]
    number: int = 0


class _Directions(NamedTuple):
    """What the split looks at in a study."""

    direction: StudyDirection

    @property
    def directions(self) -> list[StudyDirection]:
        return [self.direction]


class TPEBatch:
    """Draws what Optuna's sampler for each ask draws, reals but for their last digits.

    Where some hyperparameters exist under conditions only, `in_groups`, those that exist together are drawn together.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        direction: StudyDirection,
        trials: Sequence[ToldTrial],
        n_ei_candidates: int = 24,
        *,
        in_groups: bool = False,
    ) -> None:
        self._distributions, self._study, self._in_groups = distributions, _Directions(direction), in_groups
        self._candidates, self._rng = n_ei_candidates, np.random.RandomState()
        self._trials: list[ToldTrial] = []
        self._groups: list[_Group] | None = None  # None where the trials that have ended have changed
        for trial in trials:
            self.tell(trial)

    @property
    def knows_all(self) -> bool:
        """Whether trials that have ended have each hyperparameter; others Optuna draws by themselves."""
        return {name for names in self._names() for name in names} == self._distributions.keys()

    def tell(self, trial: ToldTrial) -> None:
        """Takes in a trial that was not asked for here."""
        self._trials.append(ToldTrial(**vars(trial) | {"number": len(self._trials)}))
        self._groups = None

    def ask(self, seed: int) -> dict[str, Any]:
        """Parameters for a trial, which runs from here on, by a random stream of this seed.

        Those that do not exist beside the others are among them: what runs has been drawn with them.
        """
        if self._groups is None or any(group.is_full for group in self._groups):
            self._groups = self._fit()
        self._rng.seed(seed)
        params: dict[str, Any] = {}
        for group in self._groups:
            params |= group.draw(self._rng, self._candidates)
        self._trials.append(ToldTrial(params, TrialState.RUNNING, None, {}, {}, len(self._trials)))
        return params

    def discard_last(self) -> None:
        """Takes the trial back that was asked for last."""
        self._trials.pop()
        for group in self._groups or ():
            group.discard_last()

    def _names(self) -> list[list[str]]:
        """The hyperparameters that are drawn together."""
        distinct = dict.fromkeys(frozenset(trial.params) for trial in self._trials if trial.state.is_finished())
        if not self._in_groups:
            return [sorted(frozenset.intersection(*distinct))] if distinct else []
        groups = _SearchSpaceGroup()
        for names in distinct:
            groups.add_distributions({name: self._distributions[name] for name in names})
        return [sorted(space) for space in groups.search_spaces]

    def _fit(self) -> list["_Group"]:
        """Tells good trials from all others."""
        ended: list[Any] = [trial for trial in self._trials if trial.state.is_finished()]
        split: Any = _split_trials  # it takes whatever has a trial's attributes
        good, other_trials = split(self._study, ended, default_gamma(len(ended)))
        # those that run are none of the good ones, so that the next draw goes elsewhere
        other_trials += [trial for trial in self._trials if not trial.state.is_finished()]
        other_trials.sort(key=lambda trial: trial.number)
        axes = [Axes({name: self._distributions[name] for name in names}) for names in self._names()]
        return [_Group(of_group, good, other_trials) for of_group in axes]


class _Group:
    """Hyperparameters that are drawn together, and the kernels of good trials that have them, and of all others."""

    def __init__(self, axes: Axes, good: Sequence[ToldTrial], other_trials: Sequence[ToldTrial]) -> None:
        self._axes = axes
        good_rows, rows = axes.rows(trial.params for trial in good), axes.rows(trial.params for trial in other_trials)
        self._good, self._other_kernels = Kernels(axes, len(good_rows)), Kernels(axes, len(rows) + _ROOM)
        self._good.set(good_rows, 0)
        self._rows = np.vstack([rows, np.empty((_ROOM, rows.shape[1]))])
        self._count, self._known_count = len(rows), 0  # of the others, and how many of them their kernels know

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more."""
        return self._count == len(self._rows)

    def draw(self, rng: np.random.RandomState, candidates: int) -> dict[str, Any]:
        """The parameters of a trial that runs from here on."""
        self._other_kernels.set(self._rows[: self._count], self._known_count)
        self._known_count = self._count
        rows = self._good.draw(rng, candidates)
        advantages = self._good.log_densities(rows) - self._other_kernels.log_densities(rows)
        self._rows[self._count] = row = rows[:, np.argmax(advantages)]
        self._count += 1
        return self._axes.params(row.tolist())

    def discard_last(self) -> None:
        """Takes the last draw back."""
        self._count -= 1
        self._known_count = min(self._known_count, self._count)

"""TPE as a sampler of Optuna's that is asked for a batch: what it makes of ended trials is worked out once."""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import _split_trials, default_gamma, default_gamma_multiobjective
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from app.search.private_parts import require_private_part, set_private_parts
from app.search.tpe.mixture import Mixture

_Space = dict[str, BaseDistribution]
_SHOWN_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class BatchTPE(optuna.samplers.TPESampler):
    """Draws what an instance of Optuna's class for each ask draws, reals but for their last digits."""

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(seed=seed, **options)
        set_private_parts(self, _parzen_estimator_cls=Mixture)
        # of the sampler for what is drawn at random, where that is to be made anew
        self._random_seed: int | None = None
        self._ended_count = 0
        self._good_trials: list[FrozenTrial] = []
        self._other_trials: list[FrozenTrial] = []
        self._good_mixtures: dict[tuple[str, ...], Any] = {}
        self._rows: dict[tuple[str, ...], dict[int, tuple[float, ...] | None]] = {}

    def reseed(self, seed: int) -> None:
        """Draws from here on what an instance of this seed would draw."""
        self._rng.rng.seed(seed)  # a new generator would be seeded twice
        self._random_seed = seed

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._random_seed is not None:  # not in each ask: few draw anything at random, and a generator is dear
            set_private_parts(self, _random_sampler=optuna.samplers.RandomSampler(seed=self._random_seed))
            self._random_seed = None
        return super().sample_independent(study, trial, param_name, param_distribution)

    def _sample(self, study: Study, trial: FrozenTrial, search_space: _Space) -> dict[str, Any]:
        trials = study._get_trials(deepcopy=False, states=_SHOWN_STATES)
        self._split(study, [past for past in trials if past.state != TrialState.RUNNING])
        # those that run are none of the good ones, so that the next draw goes elsewhere
        running = [rival for rival in trials if rival.state == TrialState.RUNNING and rival.number != trial.number]
        rivals = sorted(self._other_trials + running, key=lambda rival: rival.number)
        names = tuple(search_space)
        if names not in self._good_mixtures:
            mixture = self._build_parzen_estimator(study, search_space, self._good_trials, handle_below=True)
            self._good_mixtures[names] = mixture
        good = self._good_mixtures[names]
        rest = self._build_parzen_estimator(study, search_space, rivals, handle_below=False)
        samples = good.sample(self._rng.rng, self._n_ei_candidates)
        values = self._compare(samples, self._compute_acquisition_func(samples, good, rest))
        return {name: search_space[name].to_external_repr(value) for name, value in values.items()}

    def _split(self, study: Study, ended: list[FrozenTrial]) -> None:
        """Tells good trials from all others, where there are more than at the last time."""
        if len(ended) == self._ended_count:
            return
        gamma = default_gamma if len(study.directions) == 1 else default_gamma_multiobjective
        self._ended_count, self._good_mixtures = len(ended), {}
        self._good_trials, self._other_trials = _split_trials(study, ended, gamma(len(ended)))

    def _get_internal_repr(
        self,
        trials: list[FrozenTrial],
        search_space: _Space,
        study: Study,
    ) -> dict[str, np.ndarray]:
        rows_by_number = self._rows.setdefault(tuple(search_space), {})
        for trial in trials:  # one that runs was asked for before: it has all its parameters
            if trial.number not in rows_by_number:
                rows_by_number[trial.number] = self._row(trial, search_space, study)
        rows = [row for trial in trials if (row := rows_by_number[trial.number]) is not None]
        columns = np.array(rows, dtype=float).reshape(len(rows), len(search_space)).T
        return dict(zip(search_space, columns, strict=True))

    def _row(self, trial: FrozenTrial, search_space: _Space, study: Study) -> tuple[float, ...] | None:
        """The trial's parameters as numbers; None where it lacks one of them."""
        params = self._get_params(trial, study)
        if not search_space.keys() <= params.keys():
            return None
        return tuple(distribution.to_internal_repr(params[name]) for name, distribution in search_space.items())


for _name in ("_sample", "_get_internal_repr", "_get_params", "_build_parzen_estimator", "_compare"):
    require_private_part(optuna.samplers.TPESampler, _name)

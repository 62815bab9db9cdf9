"""Optuna's samplers by name, made so that they know a study that is built anew from rows each time."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import optuna
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from app.domain.sampling import traits_of
from app.search.optuna_space import SamplerSpace
from app.search.private_parts import require_private_part, set_private_parts
from app.search.tpe.sampler import BatchTPE

# some samplers and options are called experimental: what this project needs of them is tested
warnings.filterwarnings("ignore", category=ExperimentalWarning)


class AskSeed(NamedTuple):
    """Which ask of a sweep this is; its random stream depends on nothing else."""

    sweep_seed: int
    number: int
    """Of the trial that is asked for."""
    refused: int = 0
    """Configurations that were drawn for the trial before and are not trained."""
    copies: int = 0
    """Configurations that were drawn for the trial since, and that equal another trial's."""

    @property
    def seed(self) -> int:
        """The same whichever worker asks, and whatever else it asks for."""
        redraws = [self.refused, self.copies] if self.refused or self.copies else []
        return _hashed(self.sweep_seed, self.number, *redraws)


def make_sampler(options: Mapping[str, Any], ask_seed: AskSeed, space: SamplerSpace) -> BaseSampler:
    """The sampler of this name and with these options, for one ask."""
    further_options = {key: value for key, value in options.items() if key != "name"}
    return _MAKERS[options["name"]](ask_seed, space, **further_options)


def next_sampler(
    sampler: BaseSampler | None, options: Mapping[str, Any], ask_seed: AskSeed, space: SamplerSpace
) -> BaseSampler:
    """The sampler for the next ask of a batch, which the one before may serve too."""
    if isinstance(sampler, BatchTPE):
        sampler.reseed(ask_seed.seed)
    elif sampler is None or not traits_of(options).reuses_model:
        next_one = make_sampler(options, ask_seed, space)
        if isinstance(sampler, _Genetic):
            set_private_parts(next_one, _search_space=sampler._search_space)  # else it is made of all trials again
        return next_one
    return sampler


def generation(number: int, size: int) -> dict[str, int]:
    """The system attribute by which NSGA-II finds a trial in its generation; `number` counts complete trials."""
    return {_Genetic._get_generation_key(): number // size}


class _Sequence(optuna.samplers.QMCSampler):
    """A quasi-random sequence that gives each trial the point of its number, whatever is finished and whoever asks.

    Optuna counts the points in its storage, and learns the dimensions from the first finished trial.
    """

    def __init__(self, ask_seed: AskSeed, space: SamplerSpace, sequence: str = "sobol", scramble: bool = True) -> None:
        # a point in place of a refused one comes from another scrambling, so that it is no other trial's own
        seed = _hashed(ask_seed.sweep_seed, "sequence", ask_seed.refused)
        super().__init__(qmc_type=sequence, scramble=scramble or ask_seed.refused > 0, seed=seed)
        self._number = ask_seed.number
        self._search_space = {
            name: distribution for name, distribution in space.distributions.items() if not distribution.single()
        }

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        return self._search_space

    def _find_sample_id(
        self,
        study: Study,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> int:
        return self._number


class _Replayed(optuna.samplers.CmaEsSampler):
    """CMA-ES that is told all finished trials anew, a population at a time in the order of their numbers.

    Optuna keeps the distribution in its storage, and drops trials that were asked of an earlier one.
    """

    def __init__(
        self,
        ask_seed: AskSeed,
        _: SamplerSpace,
        n_startup_trials: int = 1,
        population_size: int | None = None,
        separable: bool = False,
    ) -> None:
        super().__init__(
            seed=ask_seed.seed,
            n_startup_trials=n_startup_trials,
            popsize=population_size,
            use_separable_cma=separable,
            warn_independent_sampling=False,
        )

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        self._transform = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True)
        self._direction = study.direction
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        optimizer = self._init_optimizer(self._transform, self._direction)
        sign = -1.0 if self._direction == StudyDirection.MAXIMIZE else 1.0
        solutions = [
            (self._transform.transform(trial.params), sign * float(trial.values[0])) for trial in completed_trials
        ]
        size = optimizer.population_size
        for start in range(0, len(solutions) - size + 1, size):
            population = solutions[start : start + size]
            if len({value for _, value in population}) > 1:  # equal values, all of failed trials, would lead anywhere
                optimizer.tell(population)
        return optimizer


class _Genetic(optuna.samplers.NSGAIISampler):
    """NSGA-II that selects the parents of one generation after the other, from the last one that is in the study on.

    Optuna goes back by recursion, which ends at about a thousand generations, and reads all trials for each of them.
    """

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        attributes = study._storage.get_study_system_attrs(study._study_id)
        prefix = self._get_parent_cache_key_prefix()
        selected_generations = (number for number in range(generation, 0, -1) if f"{prefix}{number}" in attributes)
        first = next(selected_generations, 0)
        parents: list[FrozenTrial] = super().get_parent_population(study, first)
        if first == generation:
            return parents
        populations: dict[object, list[FrozenTrial]] = {}
        for trial in study._get_trials(deepcopy=False, states=[TrialState.COMPLETE], use_cache=True):
            populations.setdefault(trial.system_attrs.get(self._get_generation_key()), []).append(trial)
        for number in range(first, generation):
            parents = self._elite_population_selection_strategy(study, populations.get(number, []) + parents)
        parent_ids = [trial._trial_id for trial in parents]
        study._storage.set_study_system_attr(study._study_id, f"{prefix}{generation}", parent_ids)
        return parents


require_private_part(optuna.samplers.QMCSampler, "_find_sample_id")
require_private_part(optuna.samplers.CmaEsSampler, "_restore_optimizer")


def _random(ask_seed: AskSeed, _: SamplerSpace) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=ask_seed.seed)


def _tpe(ask_seed: AskSeed, space: SamplerSpace, **options: Any) -> BaseSampler:
    if space.conditional:
        # in groups, what exists only under a condition is modelled together with what it depends on
        options |= {"group": True, "multivariate": True}
    return BatchTPE(ask_seed.seed, **options)


def _gaussian_process(ask_seed: AskSeed, _: SamplerSpace, **options: Any) -> BaseSampler:
    sampler = optuna.samplers.GPSampler(seed=ask_seed.seed, warn_independent_sampling=False, **options)
    # of 10, 128 and 2048: an ask as good in 0.15 s rather than 0.5 s, docs/adr/0005-asking-ahead.md
    samples = {"_n_preliminary_samples": 512, "_n_qmc_samples_qei": 32, "_n_qmc_samples_ehvi": 32}
    set_private_parts(sampler, _n_local_search=2, **samples)
    return sampler


def _genetic(ask_seed: AskSeed, _: SamplerSpace, **options: Any) -> BaseSampler:
    return _Genetic(seed=ask_seed.seed, **options)


_MAKERS: Mapping[str, Callable[..., BaseSampler]] = {
    "random": _random,
    "qmc": _Sequence,
    "tpe": _tpe,
    "gp": _gaussian_process,
    "cmaes": _Replayed,
    "nsgaii": _genetic,
}


def _hashed(*parts: object) -> int:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")

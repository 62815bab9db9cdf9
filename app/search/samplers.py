"""Optuna's samplers as a sweep names them, made to know a study that is built anew from rows each time."""

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
from optuna.trial import FrozenTrial

# some samplers and options are called experimental: what this project needs of them is tested
warnings.filterwarnings("ignore", category=ExperimentalWarning)


class AskSeed(NamedTuple):
    """Which draw of a sweep this is: for the trial of this number, after so many refused ones and copies of others."""

    sweep_seed: int
    number: int
    refused: int = 0
    copies: int = 0

    @property
    def seed(self) -> int:
        """The same for a turn whichever worker asks, and whatever else it asks for."""
        again = [self.refused, self.copies] if self.refused or self.copies else []
        return _hashed(self.sweep_seed, self.number, *again)


class Observation(NamedTuple):
    """A trial that a sampler learns from; `values` are those of the objectives, none where it has no value."""

    number: int
    state: str
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()


class SamplerSpace(NamedTuple):
    """What a sampler is made for: the distributions in their order, and the names of those with a condition."""

    free: Mapping[str, BaseDistribution]
    conditional: frozenset[str] = frozenset()


def sampler(options: Mapping[str, Any], turn: AskSeed, known: SamplerSpace) -> BaseSampler:
    """The sampler of this name and with these options, for one turn."""
    name, rest = options["name"], {key: value for key, value in options.items() if key != "name"}
    if name == "qmc":
        return _Sequence(turn, known, **rest)
    if name == "cmaes":
        return _Replayed(turn, **rest)
    if name == "tpe" and known.conditional:
        # in groups, what exists only under a condition is modelled together with what it depends on
        rest |= {"group": True, "multivariate": True}
    if name == "gp":
        return _gaussian_process(turn, **rest)
    makers: dict[str, Callable[..., BaseSampler]] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
        "nsgaii": optuna.samplers.NSGAIISampler,
    }
    return makers[name](seed=turn.seed, **rest)


def generation(number: int, size: int) -> dict[str, int]:
    """What marks the trial of this number among the finished ones as one of its generation."""
    return {optuna.samplers.NSGAIISampler._get_generation_key(): number // size}


class _Sequence(optuna.samplers.QMCSampler):
    """Gives each trial the point of the sequence that has its number, whatever is finished and whoever asks.

    Optuna counts the points in its storage, and learns the dimensions from the first finished trial.
    """

    def __init__(self, turn: AskSeed, known: SamplerSpace, sequence: str = "sobol", scramble: bool = True) -> None:
        # one that was refused comes from another scrambling, so that no trial's own point is taken from it
        seed = _hashed(turn.sweep_seed, "sequence", turn.refused)
        super().__init__(qmc_type=sequence, scramble=scramble or turn.refused > 0, seed=seed)
        self._number, self._free = turn.number, {name: one for name, one in known.free.items() if not one.single()}

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        return self._free

    def _find_sample_id(
        self,
        study: Study,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> int:
        return self._number


class _Replayed(optuna.samplers.CmaEsSampler):
    """Evolves its distribution by all finished trials, a population at a time in the order of their numbers.

    Optuna keeps the distribution in its storage, and drops trials that were asked of an earlier one.
    """

    def __init__(
        self, turn: AskSeed, n_startup_trials: int = 1, population_size: int | None = None, separable: bool = False
    ) -> None:
        super().__init__(
            seed=turn.seed,
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
        told = [(self._transform.transform(trial.params), sign * float(trial.values[0])) for trial in completed_trials]
        size = optimizer.population_size
        for start in range(0, len(told) - size + 1, size):
            generation = told[start : start + size]
            if len({value for _, value in generation}) > 1:  # equal ones, all failed, would lead anywhere
                optimizer.tell(generation)
        return optimizer


def _gaussian_process(turn: AskSeed, **options: Any) -> BaseSampler:
    made = optuna.samplers.GPSampler(seed=turn.seed, warn_independent_sampling=False, **options)
    # of 10, 128 and 2048: a draw as good in 0.15 s rather than 0.5 s, docs/adr/0005-asking-ahead.md
    made._n_local_search, made._n_preliminary_samples = 2, 512
    made._n_qmc_samples_qei = made._n_qmc_samples_ehvi = 32
    return made


def _hashed(*parts: object) -> int:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")

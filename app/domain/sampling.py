"""The traits of each sampler, as a table: whether it learns, from what, and when it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEARNING_BATCH = 10  # trials asked at once of a sampler that learns; more once it has seen twice as many


@dataclass(frozen=True)
class SamplerTraits:
    """The traits of one sampler. The defaults are those of one that learns from single trials."""

    learns: bool = True
    """Whether what it chooses depends on results."""
    enumerates: bool = False
    """Whether it is every cell of the space once."""
    several_objectives: bool = True
    """Whether it takes more than one objective."""
    takes_constraints: bool = True
    """Whether Optuna's class is told how far a trial breaks the constraints, and learns from it."""
    complete_only: bool = False
    """Whether Optuna's class looks at complete trials alone."""
    reuses_model: bool = False
    """Whether one instance answers a whole batch, because its model is expensive to fit and is kept between asks."""
    startup_option: str = "n_startup_trials"
    """The option that says how many trials it chooses before it learns."""
    population: int | None = None
    """Trials that it evolves together where no option says so; None: Optuna decides, or it learns from each trial."""
    breeds: bool = False
    """Whether it crosses the best of the generations before, by trial number; a child may equal another trial."""
    ask_ahead_from: int | None = None
    """Ended trials from which on it is asked while a cohort trains; None: never."""


SAMPLERS: Mapping[str, SamplerTraits] = {
    "grid": SamplerTraits(learns=False, enumerates=True),
    "random": SamplerTraits(learns=False),
    "qmc": SamplerTraits(learns=False),
    # before the trials from which on they are asked ahead, an ask is cheap and each result still teaches much
    "tpe": SamplerTraits(ask_ahead_from=100),
    "gp": SamplerTraits(complete_only=True, reuses_model=True, ask_ahead_from=30),
    "cmaes": SamplerTraits(
        several_objectives=False, takes_constraints=False, complete_only=True, startup_option="population_size"
    ),
    "nsgaii": SamplerTraits(complete_only=True, startup_option="population_size", population=50, breeds=True),
}

# Samplers that are asked for all trials before any is claimed, so that workers can share them by cost.
ASKED_AT_ONCE = tuple(name for name, traits in SAMPLERS.items() if not traits.learns and not traits.enumerates)


def traits_of(sampler: str | Mapping[str, Any]) -> SamplerTraits:
    """The traits of a sampler, given by its name or by the options that stand in a sweep's row."""
    return SAMPLERS[sampler if isinstance(sampler, str) else sampler["name"]]


def population_size(options: Mapping[str, Any]) -> int | None:
    """Trials a generation, None for a sampler that does not breed."""
    traits = traits_of(options)
    return int(options.get("population_size", traits.population)) if traits.breeds else None


def first_batch(options: Mapping[str, Any]) -> int:
    """Trials that a sampler which learns chooses before it has seen any result."""
    traits = traits_of(options)
    return int(options.get(traits.startup_option) or traits.population or LEARNING_BATCH)

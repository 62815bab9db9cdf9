"""The samplers that a sweep can choose, with their options."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.domain.body import Body, with_options

Startup = Annotated[int, Field(ge=0, le=1000, description="Random trials before the model is used.")]
Share = Annotated[float, Field(ge=0, le=1)]


class GridSampler(Body):
    """Every cell of the space, once."""

    name: Literal["grid"]


class RandomSampler(Body):
    """Independent draws from the space."""

    name: Literal["random"]


class QMCSampler(Body):
    """The points of a low-discrepancy sequence, which cover the space more evenly than random ones."""

    name: Literal["qmc"]
    sequence: Literal["sobol", "halton"] = Field("sobol", description="Which sequence.")
    scramble: bool = Field(
        True, description="Shuffles the sequence by the sweep's seed; else every sweep has the same."
    )


class TPESampler(Body):
    """Tree-structured Parzen estimator: draws more where trials did well. Options as in Optuna."""

    name: Literal["tpe"]
    n_startup_trials: Startup = 10
    n_ei_candidates: int = Field(24, ge=1, le=1000, description="Candidates a draw is chosen from.")


class GPSampler(Body):
    """Gaussian process with expected improvement: few trials go far, and each costs much more asking than TPE's."""

    name: Literal["gp"]
    n_startup_trials: Startup = 10
    deterministic_objective: bool = Field(False, description="Takes values to be exact, without noise.")


class CmaEsSampler(Body):
    """Covariance matrix adaptation: a normal distribution that moves, a population at a time. For numbers alone."""

    name: Literal["cmaes"]
    n_startup_trials: Startup = 1
    population_size: int | None = Field(
        None, ge=4, le=1000, description="Trials a generation; 4 + 3 ln of the number of hyperparameters if left out."
    )
    separable: bool = Field(False, description="Learns no correlations, which suits many hyperparameters.")


class NSGAIISampler(Body):
    """Genetic algorithm for several objectives: a generation's best are crossed and mutated."""

    name: Literal["nsgaii"]
    population_size: int = Field(50, ge=2, le=1000, description="Trials a generation.")
    mutation_prob: Share | None = Field(
        None, description="Chance that a hyperparameter mutates; 1 / their number if left out."
    )
    crossover_prob: Share = Field(0.9, description="Chance that a trial has two parents.")
    swapping_prob: Share = Field(0.5, description="Chance that a hyperparameter comes from the second parent.")


SamplerName = Literal["grid", "random", "qmc", "tpe", "gp", "cmaes", "nsgaii"]
SamplerOptions = Annotated[
    GridSampler | RandomSampler | QMCSampler | TPESampler | GPSampler | CmaEsSampler | NSGAIISampler,
    Field(discriminator="name"),
]


Sampler = Annotated[SamplerOptions, BeforeValidator(with_options, json_schema_input_type=SamplerName | SamplerOptions)]

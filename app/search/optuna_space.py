"""A search space in Optuna's terms: its distributions, and configurations as trials of a study."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from app.domain.space import Choice, Range, Space
from app.domain.tasks import TASKS

ROUNDING = 1e-4  # of a step; a value has 12 digits, and a step is at least a millionth of it


class SamplerSpace(NamedTuple):
    """What a sampler has to know of a search space."""

    distributions: Mapping[str, BaseDistribution]
    """Of the hyperparameters that vary, each behind those that its condition names."""
    conditional: frozenset[str] = frozenset()
    """The names of those that exist under a condition only."""
    task: str = "train_mlp"
    """Whose hyperparameters they are."""


def sampler_space(space: Space) -> SamplerSpace:
    """The space as samplers take it."""
    return SamplerSpace(distributions(space), frozenset(space.conditions), space.task)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the hyperparameters that vary, each behind those that its condition names."""
    free = space.free()
    return {name: _distribution(free[name]) for name in space.order if name in free}


def encoded(value: Any) -> Any:
    """The value as Optuna keeps it: its choices are scalars, so a list of widths becomes JSON."""
    return json.dumps(value) if isinstance(value, list) else value


def suggest_params(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """A configuration that the trial's sampler draws: the hyperparameters that are active, the constants included."""
    params: dict[str, Any] = {}
    for name in space.order:
        if space.is_active(name, params):
            domain = space.domains[name]
            params[name] = _suggest(trial, name, domain) if isinstance(domain, Choice | Range) else domain.value
    return space.as_posted(params)


def frozen_trial(space: SamplerSpace, params: Mapping[str, Any], **fields: Any) -> FrozenTrial:
    """The configuration as a trial of a study; a hyperparameter that the space got later has its default in it."""
    defaults: Mapping[str, Any] = TASKS[space.task].complete(params)
    names = [name for name in space.distributions if name in params or name not in space.conditional]
    return create_trial(
        params={name: _on_grid(space.distributions[name], encoded(params.get(name, defaults[name]))) for name in names},
        distributions={name: space.distributions[name] for name in names},
        **fields,
    )


def _on_grid(distribution: BaseDistribution, value: Any) -> Any:
    """The value as Optuna computes it where it is one of a range in steps, which ours may round by some digits."""
    if not isinstance(distribution, FloatDistribution) or distribution.step is None:
        return value
    steps = (value - distribution.low) / distribution.step
    if abs(steps - round(steps)) > ROUNDING:
        return value
    return min(distribution.low + round(steps) * distribution.step, distribution.high)


def _distribution(domain: Choice | Range) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution([encoded(value) for value in domain.values])
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.last), step=int(domain.step or 1), log=domain.log)
    return FloatDistribution(domain.low, domain.last, step=domain.step, log=domain.log)


def _suggest(trial: optuna.Trial, name: str, domain: Choice | Range) -> Any:
    if isinstance(domain, Choice):
        value = trial.suggest_categorical(name, [encoded(choice) for choice in domain.values])
        has_lists = any(isinstance(choice, list) for choice in domain.values)
        return json.loads(str(value)) if has_lists else value
    if domain.whole:
        step = int(domain.step or 1)
        return trial.suggest_int(name, int(domain.low), int(domain.last), step=step, log=domain.log)
    return domain.nearest(trial.suggest_float(name, domain.low, domain.last, step=domain.step, log=domain.log))

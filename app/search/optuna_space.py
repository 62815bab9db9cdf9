"""A search space in Optuna's terms: its distributions, and configurations as trials of a study."""

import json
from collections.abc import Callable, Mapping
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
    return _params_of(space, lambda name, domain: _suggest(trial, name, domain))


def drawn_params(values: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The same of values that were drawn for all hyperparameters that vary."""
    return _params_of(space, lambda name, domain: _value_of(domain, values[name]))


def _params_of(space: Space, draw: Callable[[str, Choice | Range], Any]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name in space.order:
        if space.is_active(name, params):
            domain = space.domains[name]
            params[name] = draw(name, domain) if isinstance(domain, Choice | Range) else domain.value
    return space.as_posted(params)


def sampler_params(space: SamplerSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as samplers see it; a hyperparameter that the space got later has its default in it."""
    defaults: Mapping[str, Any] = TASKS[space.task].complete(params)
    return {
        name: _on_grid(distribution, encoded(params.get(name, defaults[name])))
        for name, distribution in space.distributions.items()
        if name in params or name not in space.conditional
    }


def frozen_trial(space: SamplerSpace, params: Mapping[str, Any], **fields: Any) -> FrozenTrial:
    """The configuration as a trial of a study."""
    seen_params = sampler_params(space, params)
    return create_trial(
        params=seen_params, distributions={name: space.distributions[name] for name in seen_params}, **fields
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
        return _value_of(domain, trial.suggest_categorical(name, [encoded(choice) for choice in domain.values]))
    if domain.whole:
        step = int(domain.step or 1)
        return trial.suggest_int(name, int(domain.low), int(domain.last), step=step, log=domain.log)
    return _value_of(domain, trial.suggest_float(name, domain.low, domain.last, step=domain.step, log=domain.log))


def _value_of(domain: Choice | Range, value: Any) -> Any:
    """What a sampler has drawn, as a value of the domain."""
    if isinstance(domain, Choice):
        has_lists = any(isinstance(choice, list) for choice in domain.values)
        return json.loads(str(value)) if has_lists else value
    return value if domain.whole else domain.nearest(value)

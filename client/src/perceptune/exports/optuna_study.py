"""A sweep as a study of Optuna's, in memory, for its plots and samplers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from perceptune._models import ChoiceDomain, ConstantDomain, RangeDomain, SweepOut, TrialOut


def study_of(sweep: SweepOut, trials: Sequence[TrialOut]) -> Any:
    """An `optuna.Study` with the sweep's trials; raises ModuleNotFoundError where Optuna is not installed.

    A value that is outside the space, as of a trial queued by hand, is a user attribute.
    """
    import optuna

    objectives = [*sweep.objectives] if sweep.objectives else [sweep.objective]
    study = optuna.create_study(
        study_name=f"sweep {sweep.id}: {sweep.name}",
        directions=[objective.direction or "maximize" for objective in objectives],
    )
    study.set_metric_names([objective.metric or "value" for objective in objectives])
    distributions = _distributions(sweep, trials)
    study.add_trials([_trial(trial, distributions) for trial in trials if trial.params is not None])
    return study


def _distributions(sweep: SweepOut, trials: Sequence[TrialOut]) -> dict[str, Any]:
    """Optuna's distributions of the hyperparameters that vary."""
    distributions: dict[str, Any] = {}
    for name, domain in sweep.space.items():
        if isinstance(domain, RangeDomain):
            values = [trial.params[name] for trial in trials if trial.params and name in trial.params]
            distributions[name] = _range(domain, all(isinstance(value, int) for value in values))
        elif isinstance(domain, ChoiceDomain | list) and not _is_constant(name, domain):
            choices = domain.values if isinstance(domain, ChoiceDomain) else domain
            distributions[name] = _categorical([_scalar(choice) for choice in choices])
    return distributions


def _is_constant(name: str, domain: Any) -> bool:
    """Whether a list is one network's widths, rather than choices."""
    return isinstance(domain, ConstantDomain) or (
        name == "hidden_layers" and isinstance(domain, list) and not any(isinstance(item, list) for item in domain)
    )


def _categorical(choices: list[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(choices)


def _range(domain: RangeDomain, whole: bool) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high, step, log = domain.low, domain.high, domain.step, bool(domain.log)
    if step is not None:  # Optuna's ranges end at one of their values
        high = low + math.floor((high - low) / step + 1e-9) * step
    if whole and isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, step=int(step or 1), log=log)
    return FloatDistribution(low, high, step=None if log else step, log=log)


def _trial(trial: TrialOut, distributions: dict[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {"waiting": TrialState.WAITING, "running": TrialState.RUNNING, "pruned": TrialState.PRUNED}
    values = trial.values or ([trial.value] if trial.value is not None else None)
    state = TrialState.COMPLETE if trial.state == "complete" and values else states.get(trial.state, TrialState.FAIL)
    params = {name: _scalar(value) for name, value in (trial.params or {}).items() if name in distributions}
    inner = {name: value for name, value in params.items() if _holds(distributions[name], value)}
    outer = {name: value for name, value in params.items() if name not in inner}
    return create_trial(
        state=state,
        values=values if state is TrialState.COMPLETE else None,
        params=inner,
        distributions={name: distributions[name] for name in inner},
        user_attrs={"number": trial.number, "std": trial.std, **outer},
    )


def _holds(distribution: Any, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def _scalar(value: Any) -> Any:
    """The value as Optuna keeps it: a list of widths becomes JSON."""
    return json.dumps(value) if isinstance(value, list) else value

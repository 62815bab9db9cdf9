"""Trial rows as an in-memory Optuna study: the only bridge to Optuna."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from app.charts.rows import TrialRow
from app.space import Choice, Range, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # a diverged or poisonous configuration tells the sampler to stay away; Optuna ranks a pruned trial behind all
    # complete ones, while it ignores a failed one and would propose it again
    "failed": TrialState.PRUNED,
}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the hyperparameters that vary."""
    return {name: _distribution(domain) for name, domain in space.free().items()}


def study_from_rows(
    space: Space, rows: Sequence[TrialRow], *, maximize: bool, sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """A study that holds these trials; those that wait or were cancelled are left out."""
    study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
    free = distributions(space)
    study.add_trials([_frozen(row, free) for row in rows if row.state in _STATES and row.params])
    return study


def ask(study: optuna.Study, space: Space, name: str, options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One new configuration, the constants included; the study then holds it as running."""
    study.sampler = _sampler(name, options, seed)
    chosen = study.ask(fixed_distributions=distributions(space)).params
    decoded = {key: json.loads(value) if _is_encoded(space, key) else value for key, value in chosen.items()}
    return {key: decoded.get(key, space.constants().get(key)) for key in space.domains}


def sampler_seed(sweep_seed: int, number: int) -> int:
    """The seed of one trial's draw: the same for a trial whichever worker asks, and whatever else it asks for."""
    digest = hashlib.sha256(f"{sweep_seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _sampler(name: str, options: Mapping[str, Any], seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, **options)
    raise ValueError(f"the sampler {name} chooses no parameters")


def _distribution(domain: Choice | Range) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution([_encoded(value) for value in domain.values])
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.last), step=int(domain.step or 1), log=domain.log)
    return FloatDistribution(domain.low, domain.last, step=domain.step, log=domain.log)


def _frozen(row: TrialRow, free: Mapping[str, BaseDistribution]) -> FrozenTrial:
    state = _STATES[row.state]
    return create_trial(
        state=state,
        value=row.value if state == TrialState.COMPLETE else None,
        params={name: _encoded(row.params[name]) for name in free},
        distributions=dict(free),
    )


def _encoded(value: Any) -> Any:
    """Optuna's choices are scalars, so a list of widths travels as its JSON."""
    return json.dumps(value) if isinstance(value, list) else value


def _is_encoded(space: Space, name: str) -> bool:
    domain = space.domains[name]
    return isinstance(domain, Choice) and any(isinstance(value, list) for value in domain.values)

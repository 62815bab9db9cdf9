"""Parts that Optuna keeps to itself: they are set or replaced here and there, and have to be there."""

import optuna
from optuna.samplers import BaseSampler


def set_private_parts(sampler: BaseSampler, **values: object) -> None:
    """Sets attributes that Optuna keeps to itself. Raises AssertionError for one that it does not have."""
    for name, value in values.items():
        require_private_part(sampler, name)
        setattr(sampler, name, value)


def require_private_part(owner: object, name: str) -> None:
    """Raises AssertionError where the owner has no such part."""
    if not hasattr(owner, name):  # to set or to replace it would change nothing, and nobody would be told
        raise AssertionError(f"Optuna {optuna.__version__} has no {name} in {owner!r}")

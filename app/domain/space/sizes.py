"""The largest model that a space holds, the memory that it takes, and whether it can be trained."""

import math
from collections.abc import Iterator
from typing import Any

from app.domain.configuration import MLPConfig
from app.domain.memory import parameter_copies, run_bytes
from app.domain.space.domains import Choice, values
from app.domain.space.search_space import Space
from app.domain.sweep_limits import MAX_MODEL_PARAMETERS, MAX_TRIAL_BYTES
from app.errors import FieldError, InvalidError


def check_model_fits(space: Space, shape: tuple[int, int], seeds: int, max_parameters: float = math.inf) -> None:
    """Raises InvalidError when the space holds a trial that is too large to train.

    `shape`: features and classes. `max_parameters`: models of more are not trained anyway, because of a constraint.
    """
    parameters, size = largest_trial(space, shape, seeds, max_parameters)
    if parameters > MAX_MODEL_PARAMETERS:
        too_large = (
            f"holds a model of {parameters:,.0f} parameters; the most is {MAX_MODEL_PARAMETERS:,}: use fewer units"
        )
        raise InvalidError("A model can't fit.", [FieldError(("space",), too_large)])
    if size > MAX_TRIAL_BYTES:
        too_large = (
            f"holds a trial whose {seeds} runs take up to {size / 2**30:.1f} GiB together; the most is "
            f"{MAX_TRIAL_BYTES / 2**30:.0f} GiB: use fewer seeds, fewer units or a smaller batch_size"
        )
        raise InvalidError("A trial can't fit.", [FieldError(("space",), too_large)])


def largest_trial(
    space: Space, shape: tuple[int, int], seeds: int, max_parameters: float = math.inf
) -> tuple[float, float]:
    """Parameters of the largest model that the space holds, and the most bytes that a trial's runs take together.

    `shape`: features and classes.
    """
    largest = [MLPConfig.from_params(params) for params in _largest_params(space)]
    parameters = min(max_parameters, max(config.parameter_count(*shape) for config in largest))
    size = max(run_bytes(config, *shape, max_parameters=max_parameters) for config in largest)
    return parameters, seeds * size


def _largest_params(space: Space) -> Iterator[dict[str, Any]]:
    """Candidates for the largest model: the largest of everything, for each way to lay out the hidden layers."""
    largest = space.largest()
    if "optimizer" in space.domains:
        largest["optimizer"] = max(
            values(space.domains["optimizer"]),
            key=lambda optimizer: parameter_copies(MLPConfig.from_params({**largest, "optimizer": optimizer})),
        )
    for name in ("hidden_layers", "depth"):
        domain = space.domains.get(name)
        if domain is not None and (name == "depth" or isinstance(domain, Choice)):
            yield from (largest | {name: value} for value in values(domain))
            return
    yield largest

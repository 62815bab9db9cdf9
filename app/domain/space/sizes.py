"""How large models are, and what they cost to train."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.configuration import MLPConfig
from app.domain.space.domains import Choice, values
from app.domain.space.search_space import Space
from app.errors import FieldError, InvalidError

MAX_TRIAL_BYTES = 8 * 2**30  # the runs of a trial train together
MAX_MODEL_PARAMETERS = 50_000_000  # 200 MB of float32 a run, and as much again for its gradient


def check_model_fits(space: Space, features: int, classes: int, seeds: int, most_parameters: float = math.inf) -> None:
    """Raises InvalidError when the space holds a trial that is too large to train.

    `most_parameters`: models of more are not trained anyway, because of a constraint.
    """
    parameters, size = largest_trial(space, (features, classes), seeds, most_parameters)
    if parameters > MAX_MODEL_PARAMETERS:
        too_large = (
            f"holds a model of {parameters:,.0f} parameters; the most is {MAX_MODEL_PARAMETERS:,}: use fewer units"
        )
        raise InvalidError("A model can't fit.", [FieldError(("space",), too_large)])
    if size > MAX_TRIAL_BYTES:
        too_large = (
            f"holds a trial whose {seeds} runs take about {size / 2**30:.1f} GiB together; the most is "
            f"{MAX_TRIAL_BYTES / 2**30:.0f} GiB: use fewer seeds, fewer units or a smaller batch_size"
        )
        raise InvalidError("A trial can't fit.", [FieldError(("space",), too_large)])


def largest_trial(
    space: Space, shape: tuple[int, int], seeds: int, most_parameters: float = math.inf
) -> tuple[float, float]:
    """Parameters of the largest model that the space holds, and about the bytes that a trial's runs take at most.

    `shape`: features and classes.
    """
    largest = list(_largest(space))
    parameters = min(most_parameters, max(MLPConfig.from_params(params).parameter_count(*shape) for params in largest))
    return parameters, seeds * max(_run_bytes(params, shape, most_parameters) for params in largest)


def _largest(space: Space) -> Iterator[dict[str, Any]]:
    """Candidates for the largest model: the largest of everything, for each way to lay out the hidden layers."""
    for name in ("hidden_layers", "depth"):
        domain = space.domains.get(name)
        if domain is not None and (name == "depth" or isinstance(domain, Choice)):
            yield from (space.largest() | {name: value} for value in values(domain))
            return
    yield space.largest()


def _run_bytes(params: Mapping[str, Any], shape: tuple[int, int], most_parameters: float) -> float:
    """About what a run takes while it trains: its parameters with copies, its layers' outputs with gradients."""
    config = MLPConfig.from_params(params)
    parameters = min(most_parameters, config.parameter_count(*shape))
    outputs = min(parameters, sum(width for _, width in config.layer_sizes(*shape)))  # each has a bias
    examples = 6 * config.batch_size
    return 4 * (4 * parameters + outputs * examples)

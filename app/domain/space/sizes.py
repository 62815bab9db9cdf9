"""The largest model that a space holds, the memory that it takes, and whether it can be trained."""

import math
from collections.abc import Iterator
from typing import Any

from app.domain.configuration import LAYER_WIDTHS, MLPConfig
from app.domain.memory import parameter_copies, run_bytes
from app.domain.space.domains import Choice, values
from app.domain.space.search_space import Space
from app.domain.sweep_limits import MAX_MODEL_PARAMETERS, MAX_TRIAL_BYTES
from app.domain.tasks import TASKS
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
        noun, cause = ("networks", "networks") if TASKS[space.task].is_timing else ("runs", "seeds")
        too_large = (
            f"holds a trial whose {seeds} {noun} take up to {size / 2**30:.1f} GiB together; the most is "
            f"{MAX_TRIAL_BYTES / 2**30:.0f} GiB: use fewer {cause}, fewer units or a smaller batch_size"
        )
        raise InvalidError("A trial can't fit.", [FieldError(("space",), too_large)])


def largest_trial(
    space: Space, shape: tuple[int, int], seeds: int, max_parameters: float = math.inf
) -> tuple[float, float]:
    """Parameters of the largest model that the space holds, and the most bytes that a trial's runs take together.

    `shape`: features and classes.
    """
    largest = [MLPConfig.from_params(params) for params in _largest_params(space, shape)]
    parameters = min(max_parameters, max(config.parameter_count(*shape) for config in largest))
    size = max(run_bytes(config, *shape, max_parameters=max_parameters) for config in largest)
    return parameters, seeds * size


def runs_in_memory(space: Space, seeds: int) -> int:
    """How many networks of a trial lie in the memory at once: its runs, or those that a timing trains together."""
    if not TASKS[space.task].is_timing:
        return seeds
    implementation = space.domains.get("implementation")
    if implementation is None or "fused" not in values(implementation):
        return 1
    return int(space.complete(space.largest())["networks"])


def _largest_params(space: Space, shape: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Candidates for the largest model: the largest of everything, for each way to lay out the hidden layers."""
    largest = space.largest()
    if "optimizer" in space.domains:
        optimizers = values(space.domains["optimizer"])
        largest["optimizer"] = max(optimizers, key=lambda name: _max_copies(space, {**largest, "optimizer": name}))
    for name in ("hidden_layers", "depth"):
        domain = space.domains.get(name)
        if domain is not None and (name == "depth" or isinstance(domain, Choice)):
            yield from (_largest_under_conditions(space, largest | {name: value}, shape) for value in values(domain))
            return
    yield _largest_under_conditions(space, largest, shape)


def _largest_under_conditions(space: Space, params: dict[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
    """The parameters without each one that may be left out by its condition, where the book's value takes more memory.

    A layer without a width of its own is left out here: its condition says that the layer exists.
    """
    for name in space.conditions:
        if name not in LAYER_WIDTHS:
            candidates = _with_and_without(name, params)
            params = max(candidates, key=lambda candidate: run_bytes(MLPConfig.from_params(candidate), *shape))
    return params


def _with_and_without(name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    return [params, {key: value for key, value in params.items() if key != name}]


def _max_copies(space: Space, params: dict[str, Any]) -> int:
    """Numbers a parameter; a momentum that is left out by its condition may be the optimizer's usual one."""
    candidates = _with_and_without("momentum", params) if "momentum" in space.conditions else [params]
    return max(parameter_copies(MLPConfig.from_params(candidate)) for candidate in candidates)

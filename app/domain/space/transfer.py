"""Configurations of one search space within another one: the same network, trained in the same way."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from app.domain.configuration import LAYER_WIDTHS, MLPConfig, with_defaults
from app.domain.formatting import setting
from app.domain.space.constraints import Constraints
from app.domain.space.domains import Constant
from app.domain.space.membership import complete_params
from app.domain.space.search_space import Space
from app.errors import InvalidError


class OutsideError(Exception):
    """The configuration does not lie within the space; says why."""


def transferred(space: Space, constraints: Constraints, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters by which this space names a configuration of another one. Raises OutsideError.

    Where the space has one number of epochs, the configuration takes that: short sweeps prepare long ones.
    """
    config = MLPConfig.from_params(params)
    epochs = space.domains.get("epochs", Constant(MLPConfig.epochs))
    if isinstance(epochs, Constant):
        config = replace(config, epochs=int(epochs.value))
    own_params: dict[str, Any] = {}
    values = _values(params, config)
    for name in space.order:
        if space.is_active(name, own_params):
            own_params[name] = values[name]
    try:
        own_params = complete_params(space, own_params)
    except InvalidError as error:
        first_error = error.errors[0]
        raise OutsideError(f"{first_error.loc[-1]} {first_error.msg.removesuffix(': widen its space first')}") from None
    if (difference := _difference(config, MLPConfig.from_params(own_params))) is not None:
        raise OutsideError(difference)
    if broken := constraints.broken(own_params):
        raise OutsideError(f"it breaks the constraint {broken}")
    return own_params


def _values(params: Mapping[str, Any], config: MLPConfig) -> dict[str, Any]:
    """The configuration's value of every hyperparameter, however its own space says the widths."""
    widths = list(config.hidden_layers)
    values = with_defaults(params) | {"epochs": config.epochs, "hidden_layers": widths, "depth": len(widths)}
    values |= dict.fromkeys(LAYER_WIDTHS, values["hidden_units"]) | dict(zip(LAYER_WIDTHS, widths, strict=False))
    return values | ({"hidden_units": widths[0]} if len(set(widths)) == 1 else {})


def _difference(config: MLPConfig, own_config: MLPConfig) -> str | None:
    """What the space leaves to the book, and the configuration has otherwise; None where they are the same."""
    for field in fields(MLPConfig):
        value, own_value = getattr(config, field.name), getattr(own_config, field.name)
        if value != own_value:
            texts = [setting(list(item) if isinstance(item, tuple) else item) for item in (value, own_value)]
            return f"{field.name} is {texts[0]}, and this sweep trains with {texts[1]} alone"
    return None

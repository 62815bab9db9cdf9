"""How much memory a run takes while it trains, told without training it."""

import math

from app.domain.configuration import MLPConfig

STEPS_AHEAD = 256  # steps that a trainer plans at once, at most
EVALUATION_BATCH = 1000  # divides the usual validation sets, so that one workspace does

STATE_PER_PARAMETER = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "rmsprop": 1, "rmsprop_momentum": 2}
"""How many numbers each update rule keeps of a parameter from step to step."""


def run_bytes(
    config: MLPConfig, features: int, classes: int, *, max_parameters: float = math.inf, itemsize: int = 4
) -> int:
    """The most bytes that a run takes on its device, beside the data and each seed's mini-batches. Runs add up.

    `itemsize`: bytes of a number. `max_parameters`: a network of more is counted as one of so many, which has no more
    units than that either.

    A layer's outputs are there three times at most (before and after the activation, and the gradient) for a batch and
    for the epoch's last, smaller batch, and twice for an evaluation; normalization adds one, and dropout five. Three
    numbers a step, at most, are planned ahead.
    """
    parameters = min(config.parameter_count(features, classes), max_parameters)
    outputs = min(sum(config.hidden_layers) + classes, parameters)  # each has a bias or a shift
    copies = 3 + config.batch_norm + 5 * (config.dropout > 0)
    examples = 2 * copies * config.batch_size + 2 * EVALUATION_BATCH + 32  # coefficients and statistics of a unit
    return int(itemsize * (parameter_copies(config) * parameters + outputs * examples + 3 * STEPS_AHEAD))


def parameter_copies(config: MLPConfig) -> int:
    """How many numbers are held for each parameter, at most.

    Parameters are there three times while a group is put together anew: old, new and, on a CPU, those that are kept.
    The gradient and what the update rule keeps are there twice, but plain SGD needs neither; and there is a copy that
    validates normalized networks.
    """
    state = STATE_PER_PARAMETER[config.update_rule]
    return 3 + config.batch_norm + (2 * state + 2 if state else 0)

"""How much memory a run takes while it trains, told without training it."""

import math
from dataclasses import replace

from app.domain.configuration import MLPConfig

STEPS_AHEAD = 256  # steps that a trainer plans at once, at most
EVALUATION_BATCH = 1000  # divides the usual validation sets, so that one workspace does

STATE_PER_PARAMETER = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "rmsprop": 1, "rmsprop_momentum": 2}
"""How many numbers each update rule keeps of a parameter from step to step."""


ESTIMATE_SLACK = 3  # what a run really takes is more than a third of its `run_bytes`
SPREAD_COPIES = 5  # rate, decay, momentum, and an index of two numbers


def packed_width(width: int) -> int:
    """The width that a layer is filled up to where similar ones are one product, so that there are few kinds.

    16, 32, 64, 96, 128, 192, 256 and so on: powers of two, and from 96 on what is halfway between them.
    """
    power = max(1 << (width - 1).bit_length(), 16)
    between = power * 3 // 4
    return between if width <= between and power >= 128 else power


def run_bytes(
    config: MLPConfig,
    features: int,
    classes: int,
    *,
    max_parameters: float = math.inf,
    itemsize: int = 4,
    packed: bool = False,
) -> int:
    """The most bytes that a run takes on its device, beside the data and each seed's mini-batches. Runs add up.

    `itemsize`: bytes of a number. `max_parameters`: a network of more is counted as one of so many, which has no more
    units than that either. `packed`: on a device where layers are filled up to the widths of few classes.

    A layer's outputs are there three times at most (before and after the activation, and the gradient) for a batch and
    for the epoch's last, smaller batch, and twice for an evaluation; normalization adds one, dropout five, and what a
    packed product reads and writes four. Three numbers a step, at most, are planned ahead.
    """
    if packed:
        config = replace(config, hidden_layers=tuple(packed_width(width) for width in config.hidden_layers))
    parameters = min(config.parameter_count(features, classes), max_parameters)
    outputs = min(sum(config.hidden_layers) + classes, parameters)  # each has a bias or a shift
    copies = 3 + config.batch_norm + 5 * (config.dropout > 0) + 4 * packed
    evaluation_copies = 2 + 2 * packed
    examples = 2 * copies * config.batch_size + evaluation_copies * EVALUATION_BATCH
    examples += 32  # coefficients and statistics of a unit
    numbers = parameter_copies(config) * parameters + outputs * examples + 3 * STEPS_AHEAD
    if packed:  # coefficients are spread over all weights but those of the first layer
        inner = sum(inputs * width for inputs, width in config.layer_sizes(features, classes)[1:])
        numbers += SPREAD_COPIES * min(inner, max_parameters)
    return int(itemsize * numbers)


def parameter_copies(config: MLPConfig) -> int:
    """How many numbers are held for each parameter, at most.

    Parameters are there three times while a group is put together anew: old, new and, on a CPU, those that are kept.
    What the update rule keeps is there twice. The gradient is there, and memory for what a rule makes of it; plain SGD
    needs neither.
    """
    state = STATE_PER_PARAMETER[config.update_rule]
    return 3 + (2 * state + 2 if state else 0)

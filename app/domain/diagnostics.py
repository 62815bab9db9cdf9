"""Diagnostics: what a network does with a fixed sample of examples, layer by layer, and when that is measured."""

from dataclasses import dataclass

SAMPLE_EXAMPLES = 1000  # held out, evenly spread over the validation examples; all where there are fewer
GRADIENT_EXAMPLES = 256  # evenly spread over the training examples; all where there are fewer

# A hidden unit is dead where its activation's slope is below the one for every example of the sample, and its output
# varies by less than the other: it tells no two examples apart, and no gradient gets through to change that. Of ReLU
# that is an output of 0 for every example, of sigmoid and tanh an output at one end. Leaky ReLU and the identity have
# no such place.
DEAD_SLOPE = 1e-3
DEAD_RANGE = 1e-2
OUTPUT_DECIMALS = 3  # outputs are the same where no class's probability differs in these decimals

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the number in a bottleneck


@dataclass(frozen=True)
class NetworkDiagnostics:
    """One network at one moment, as it is validated: nothing is dropped, running statistics normalize."""

    dead_share: list[float]
    """Of each hidden layer: the share of its units that are dead."""
    activation_rms: list[float]
    """Of each hidden layer and then of the logits: the root mean square of its outputs over the sample."""
    gradient_rms: list[float]
    """Of each layer, the output's being the last: the root mean square of the loss's gradient by its weights."""
    predicted_classes: int | None
    """How many classes it predicts for at least one example; None where targets are numbers."""
    top_class_share: float | None
    """Share of the examples for which it predicts its most frequent class; None where targets are numbers."""
    distinct_outputs: int
    """How many different answers it gives: probabilities of the classes, or standardized numbers, to three decimals."""
    bottleneck: list[list[float]] | None
    """By class, or where targets are numbers of all alike, the QUANTILES of what its first hidden layer of one unit has
    before the activation; NaN for a class that the sample lacks, None where no hidden layer has one unit."""


def is_measured(epoch: int, last_epoch: int) -> bool:
    """Whether a run is measured after this epoch, 0 being before its first step.

    Up to epoch 100 it always is, then at every tenth epoch, from 1,000 on at every hundredth, and after the last one: a
    run of 10,000 epochs has 281 measurements.
    """
    step = 1 if epoch <= 100 else 10 if epoch <= 1000 else 100
    return epoch % step == 0 or epoch == last_epoch

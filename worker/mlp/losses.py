"""The loss of one network's outputs with plain torch: the cross-entropy of classes, the squared error of numbers."""

from torch import Tensor
from torch.nn import functional


def mean_loss(
    outputs: Tensor,  # [batch, classes], or [batch, 1] of numbers
    y: Tensor,  # [batch] int64, the class of each example, or float, its number
    label_smoothing: float = 0.0,
) -> Tensor:  # () mean cross-entropy in nats, or mean squared error
    """What is minimised over a mini-batch; by the type of the targets."""
    if y.is_floating_point():
        return functional.mse_loss(outputs.squeeze(1), y)
    return functional.cross_entropy(outputs, y, label_smoothing=label_smoothing)

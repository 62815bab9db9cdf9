"""The configuration of one multilayer perceptron and its training."""

from dataclasses import dataclass
from itertools import pairwise

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "leaky_relu", "elu", "silu", "identity")
INITIALIZATIONS = (
    "default",
    "normal",
    "uniform",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "msra_prelu",
    "orthogonal",
    "zeros",
)
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop")
LR_SCHEDULES = ("constant", "step", "cosine")
_NAMES = {
    "activation": ACTIVATIONS,
    "initialization": INITIALIZATIONS,
    "optimizer": OPTIMIZERS,
    "lr_schedule": LR_SCHEDULES,
}


@dataclass(frozen=True)
class RunConfig:
    """The hyperparameters of one multilayer perceptron and its training.

    `hidden_layers` are the widths from the input on; none makes it softmax regression. `learning_rate` belongs to a
    loss that is the mean over a mini-batch. `init_std` is the standard deviation of the initialization "normal" (the
    book's 0.01), `init_range` the a of "uniform", which draws from U(-a, a), `init_gain` a factor of the two Xavier's,
    and `init_slope` that of the leaky ReLU for which "msra_prelu" is made.

    The optimizers are those of torch.optim with its defaults for what is not named here; `momentum` counts for all but
    Adam's, which have their own. "sgd" and "momentum" are one rule, plain descent where the momentum is 0.
    `weight_decay` is L2 in the gradient, in "adamw" apart from it. A hidden layer is linear, `batch_norm` in place of
    its bias if wanted, activation, and `dropout` of that share of its units in training. The schedules are in
    worker/schedules.py. `label_smoothing` counts in training, not in validation. With a `patience` above 0 a run stops
    after so many epochs in a row without a new lowest validation loss. Raises ValueError for what can't be built.
    """

    hidden_layers: tuple[int, ...] = (256,)
    learning_rate: float = 0.1
    epochs: int = 10
    batch_size: int = 256
    activation: str = "relu"
    initialization: str = "default"
    init_std: float = 0.01
    init_range: float = 0.05
    init_gain: float = 1.0
    init_slope: float = 0.25
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    lr_schedule: str = "constant"
    warmup_epochs: float = 0.0
    lr_step_epochs: int = 10
    lr_gamma: float = 0.1
    label_smoothing: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden_layers):
            raise ValueError(f"hidden_layers: a width is at least 1, not {self.hidden_layers}")
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size are at least 1, not {self.epochs} and {self.batch_size}")
        for field, names in _NAMES.items():
            if getattr(self, field) not in names:
                raise ValueError(f"{field}: one of {', '.join(names)}, not {getattr(self, field)!r}")
        for field in ("momentum", "label_smoothing"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field}: at least 0 and at most 1, not {getattr(self, field)}")
        for field in ("init_gain", "init_slope", "weight_decay", "warmup_epochs", "lr_gamma", "patience"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field}: at least 0, not {getattr(self, field)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: at least 0 and below 1, not {self.dropout}")
        if self.lr_step_epochs < 1:
            raise ValueError(f"lr_step_epochs: at least 1, not {self.lr_step_epochs}")

    def layer_sizes(self, features: int, classes: int) -> list[tuple[int, int]]:
        """Inputs and outputs of each linear layer, the last one giving the logits."""
        widths = (features, *self.hidden_layers, classes)
        return list(pairwise(widths))

    def parameter_count(self, features: int, classes: int) -> int:
        """Weights and biases of the whole network; a unit that is normalized has gain and shift in place of a bias."""
        linear = sum((inputs + 1) * outputs for inputs, outputs in self.layer_sizes(features, classes))
        return linear + sum(self.hidden_layers) * self.batch_norm

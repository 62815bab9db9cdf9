"""The configuration of one multilayer perceptron and its training: names, the book's defaults, sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

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

# The short way to write hidden layers: so many of equal width, or each with a width of its own.
HIDDEN_UNITS = 256
DEPTH = 1
MAX_DEPTH = 8
LAYER_WIDTHS = tuple(f"hidden_units_{layer}" for layer in range(1, MAX_DEPTH + 1))

USUAL_MOMENTUM = 0.9  # of the optimizers that are named after it


@dataclass(frozen=True)
class MLPConfig:
    """The hyperparameters of one multilayer perceptron and its training, with the book's values as defaults.

    A hidden layer is a linear map, batch normalization if wanted, the activation, and dropout in training. Raises
    ValueError for what can't be built.
    """

    hidden_layers: tuple[int, ...] = (HIDDEN_UNITS,) * DEPTH
    """Widths from the input on; none makes it softmax regression."""
    learning_rate: float = 0.1
    """Step size on the loss that is the mean over a mini-batch."""
    epochs: int = 10
    """Passes over the training examples."""
    batch_size: int = 256
    """Examples a step."""
    activation: str = "relu"
    """One of ACTIVATIONS."""
    initialization: str = "default"
    """One of INITIALIZATIONS."""
    init_std: float = 0.01
    """Standard deviation of the initialization `normal`."""
    init_range: float = 0.05
    """a of the initialization `uniform`, which draws from U(-a, a)."""
    init_gain: float = 1
    """Factor of the initializations `xavier_uniform` and `xavier_normal`."""
    init_slope: float = 0.25
    """Slope below 0 of the leaky ReLU that the initialization `msra_prelu` is made for."""
    optimizer: str = "sgd"
    """One of OPTIMIZERS, with the defaults of torch.optim for what is not named here."""
    momentum: float = 0
    """Share of the last update that is kept; the two Adams have their own. `sgd` and `momentum` are one rule."""
    weight_decay: float = 0
    """L2 penalty in the gradient; in `adamw` apart from it."""
    dropout: float = 0
    """Share of each hidden layer's units that is dropped in training."""
    batch_norm: bool = False
    """Whether each hidden unit is normalized over the mini-batch, in place of its bias."""
    lr_schedule: str = "constant"
    """One of LR_SCHEDULES."""
    warmup_epochs: float = 0
    """Epochs in which the learning rate rises, before its schedule."""
    lr_step_epochs: int = 10
    """Epochs between two drops of the schedule `step`."""
    lr_gamma: float = 0.1
    """Factor of each drop of the schedule `step`."""
    label_smoothing: float = 0
    """Probability that is shared among all classes in training; not in validation."""
    patience: int = 0
    """Epochs in a row without a new lowest validation loss before a run ends; 0 never ends it early."""

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

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "MLPConfig":
        """The configuration that a trial's parameters mean, with the book's values for what they leave out."""
        return cls.from_complete_params(with_defaults(params))

    @classmethod
    def from_complete_params(cls, params: Mapping[str, Any]) -> "MLPConfig":
        """The same of parameters to which `with_defaults` has added what they left out."""
        values = {name: params[name] for name in _FIELDS}
        return cls(**values | {"hidden_layers": tuple(values["hidden_layers"])})

    @property
    def update_rule(self) -> str:
        """The name of the rule by which its parameters change. Runs of one rule can train together."""
        name = {"momentum": "sgd", "adamw": "adam"}.get(self.optimizer, self.optimizer)
        if self.momentum == 0:
            return "sgd" if name == "nesterov" else name
        return {"sgd": "momentum", "rmsprop": "rmsprop_momentum"}.get(name, name)

    @property
    def schedule_spans_training(self) -> bool:
        """Whether its learning rate at each step depends on the number of epochs: it can't be trained on."""
        return self.lr_schedule == "cosine"

    def layer_sizes(self, features: int, classes: int) -> list[tuple[int, int]]:
        """Inputs and outputs of each linear layer, the last one giving the logits."""
        return list(pairwise((features, *self.hidden_layers, classes)))

    def parameter_count(self, features: int, classes: int) -> int:
        """Weights and biases of the whole network. A unit that is normalized has gain and shift in place of a bias."""
        linear = sum((inputs + 1) * outputs for inputs, outputs in self.layer_sizes(features, classes))
        return linear + sum(self.hidden_layers) * self.batch_norm

    def multiply_adds(self, features: int, classes: int) -> float:
        """Those of the forward passes of a run over all epochs, per training example."""
        forward = sum(inputs * outputs for inputs, outputs in self.layer_sizes(features, classes))
        return float(forward * self.epochs)


_FIELDS = tuple(field.name for field in fields(MLPConfig))

DEFAULTS: Mapping[str, Any] = {
    "hidden_units": HIDDEN_UNITS,
    "depth": DEPTH,
    **dict.fromkeys(LAYER_WIDTHS),
    **{field.name: field.default for field in fields(MLPConfig)},
    "hidden_layers": None,
}
"""The book's value of every hyperparameter; None where it follows from others."""


def with_defaults(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the book's value for each one that is left out, and `hidden_layers` always filled in.

    A layer without a width of its own has `hidden_units`.
    """
    complete_params = {**DEFAULTS, **params}
    if complete_params["hidden_layers"] is None:
        widths = (complete_params[name] for name in LAYER_WIDTHS[: int(complete_params["depth"])])
        complete_params["hidden_layers"] = [
            complete_params["hidden_units"] if width is None else width for width in widths
        ]
    if "momentum" not in params and complete_params["optimizer"] in ("momentum", "nesterov"):
        complete_params["momentum"] = USUAL_MOMENTUM
    return complete_params

"""The hyperparameters by name: kind, bounds, the book's default, and what each one means."""

import math
from dataclasses import dataclass

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "leaky_relu", "elu", "silu", "identity")
INITIALIZATIONS = (
    "default",
    "normal",
    "uniform",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
    "zeros",
)
MAX_DEPTH = 8
MAX_WIDTH = 65_536


@dataclass(frozen=True)
class Number:
    """A number between `low` and `high`; `whole` ones are integers. `above` excludes `low` itself."""

    low: float
    high: float
    whole: bool = False
    above: bool = False

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"must be {'a whole number' if self.whole else 'a number'}, not {value!r}"
        if self.whole and value != int(value):
            return f"must be a whole number, not {value!r}"
        if value < self.low or value > self.high or (self.above and value == self.low):
            return f"must be {self.bounds()}, not {value!r}"
        return None

    def bounds(self) -> str:
        return f"{'above' if self.above else 'at least'} {self.low:g} and at most {self.high:g}"


@dataclass(frozen=True)
class Category:
    """One of a few names."""

    names: tuple[object, ...]

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if any(value == name and type(value) is type(name) for name in self.names):
            return None
        return f"must be one of {', '.join(map(str, self.names))}, not {value!r}"


@dataclass(frozen=True)
class Layers:
    """A list of widths, one a hidden layer; the empty list is softmax regression."""

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if not isinstance(value, list) or len(value) > MAX_DEPTH:
            return f"must be a list of at most {MAX_DEPTH} widths, e.g. [256, 64], not {value!r}"
        return next((found for width in value if (found := _WIDTH.problem(width))), None)


@dataclass(frozen=True)
class Hyperparameter:
    kind: Number | Category | Layers
    default: object
    meaning: str


_WIDTH = Number(1, MAX_WIDTH, whole=True)

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "hidden_units": Hyperparameter(_WIDTH, 256, "units of each hidden layer"),
    "depth": Hyperparameter(Number(0, MAX_DEPTH, whole=True), 1, "hidden layers; 0 is softmax regression"),
    "hidden_layers": Hyperparameter(Layers(), None, "widths of the hidden layers, in place of hidden_units and depth"),
    "learning_rate": Hyperparameter(Number(0, 1e6, above=True), 0.1, "step size on the loss averaged over a batch"),
    "epochs": Hyperparameter(Number(1, 10_000, whole=True), 10, "passes over the training examples"),
    "batch_size": Hyperparameter(Number(1, 65_536, whole=True), 256, "examples a step"),
    "activation": Hyperparameter(Category(ACTIVATIONS), "relu", "nonlinearity after each hidden layer"),
    "initialization": Hyperparameter(Category(INITIALIZATIONS), "default", "how the weights are drawn at the start"),
    "init_std": Hyperparameter(Number(0, 100), 0.01, "standard deviation of the initialization `normal`"),
    "init_range": Hyperparameter(Number(0, 100), 0.05, "a of the initialization `uniform`, which draws from U(-a, a)"),
    "optimizer": Hyperparameter(Category(("sgd",)), "sgd", "update rule"),
    "momentum": Hyperparameter(Category((0,)), 0, "share of the last update that is kept; not yet other than 0"),
    "weight_decay": Hyperparameter(Category((0,)), 0, "L2 penalty in the update; not yet other than 0"),
    "dropout": Hyperparameter(Category((0,)), 0, "share of hidden units dropped; not yet other than 0"),
    "batch_norm": Hyperparameter(Category((False,)), False, "batch normalization; not yet other than false"),
    "lr_schedule": Hyperparameter(Category(("constant",)), "constant", "learning rate over the epochs"),
}


def completed(params: dict[str, object]) -> dict[str, object]:
    """The parameters with the book's value for each one that is left out, and `hidden_layers` always filled in."""
    full = {name: parameter.default for name, parameter in HYPERPARAMETERS.items()} | params
    if full["hidden_layers"] is None:
        full["hidden_layers"] = [full["hidden_units"]] * int(str(full["depth"]))
    return full

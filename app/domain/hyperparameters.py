"""The table of hyperparameters: their values, the book's defaults, meanings and sources."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from app.domain.configuration import (
    ACTIVATIONS,
    DEFAULTS,
    INITIALIZATIONS,
    LAYER_WIDTHS,
    LR_SCHEDULES,
    MAX_DEPTH,
    OPTIMIZERS,
    USUAL_MOMENTUM,
)
from app.domain.nearest import did_you_mean

MAX_WIDTH = 65_536


def is_number(value: object) -> TypeGuard[float]:
    """Whether the value is a finite number, and no truth value. Raises OverflowError where no float can hold it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Number:
    """A number between two bounds."""

    low: float
    high: float
    whole: bool = False
    """Whether it is an integer."""
    above: bool = False
    """Whether `low` itself is excluded."""

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if not is_number(value):
            return f"must be {'a whole number' if self.whole else 'a number'}, not {value!r}"
        if self.whole and value != int(value):
            return f"must be a whole number, not {value!r}"
        if value < self.low or value > self.high or (self.above and value == self.low):
            return f"must be {self.bounds()}, not {value!r}"
        return None

    def bounds(self) -> str:
        """The bounds as text, e.g. `at least 0 and at most 1`."""
        return f"{'above' if self.above else 'at least'} {self.low:g} and at most {self.high:g}"


@dataclass(frozen=True)
class Category:
    """One of a few names."""

    names: tuple[object, ...]

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if any(value == name and type(value) is type(name) for name in self.names):
            return None
        names = ", ".join(str(name) for name in self.names)
        return f"must be one of {names}, not {value!r}{did_you_mean(value, self.names)}"


@dataclass(frozen=True)
class Layers:
    """A list of widths, one a hidden layer. The empty list is softmax regression."""

    def problem(self, value: object) -> str | None:
        """Why the value can't be used, or None."""
        if not isinstance(value, list) or len(value) > MAX_DEPTH:
            return f"must be a list of at most {MAX_DEPTH} widths, e.g. [256, 64], not {value!r}"
        return next((problem for width in value if (problem := _WIDTH.problem(width))), None)


Kind = Number | Category | Layers


@dataclass(frozen=True)
class Hyperparameter:
    """One row of the table: what a hyperparameter is, does and may be."""

    kind: Kind
    """The values that it may have."""
    meaning: str
    """What it is, in a few words."""
    formula: str = ""
    """What it does exactly."""
    source: str = ""
    """Where that comes from."""
    default: object = None
    """The book's value; None where it follows from others."""


_WIDTH = Number(1, MAX_WIDTH, whole=True)


def layer_width(layer: int | str) -> Hyperparameter:
    """The width of one hidden layer, by its number, or by the letter that stands for it."""
    return Hyperparameter(
        _WIDTH,
        f"units of hidden layer {layer}, at depths where there is one; hidden_units if left out",
        f"W of layer {layer} has hidden_units_{layer} rows",
        "Dive into Deep Learning 5.1",
    )


_TABLE: dict[str, Hyperparameter] = {
    "hidden_units": Hyperparameter(
        _WIDTH,
        "units of each hidden layer",
        "h = activation(W x + b) with W of hidden_units rows",
        "Dive into Deep Learning 5.1",
    ),
    "depth": Hyperparameter(
        Number(0, MAX_DEPTH, whole=True),
        "hidden layers; 0 is softmax regression, or linear regression",
        "logits = W x + b at 0",
        "Dive into Deep Learning 5.1",
    ),
    **{name: layer_width(layer) for layer, name in enumerate(LAYER_WIDTHS, start=1)},
    "hidden_layers": Hyperparameter(
        Layers(),
        "widths of the hidden layers, in place of hidden_units and depth",
        "[256, 1, 256] has a bottleneck of one neuron",
        "Dive into Deep Learning 5.2.4, exercise 3",
    ),
    "learning_rate": Hyperparameter(
        Number(0, 1e6, above=True),
        "step size on the loss averaged over a batch",
        "p ← p - learning_rate · g, g = ∂/∂p of the mini-batch's mean loss, cross-entropy or squared error",
        "Dive into Deep Learning 12.5",
    ),
    "epochs": Hyperparameter(
        Number(1, 10_000, whole=True),
        "passes over the training examples",
        "ceil(examples / batch_size) steps each, in an order drawn anew",
        "Dive into Deep Learning 12.5",
    ),
    "batch_size": Hyperparameter(
        Number(1, 65_536, whole=True),
        "examples a step",
        "the last batch of an epoch holds what is left",
        "Dive into Deep Learning 12.5",
    ),
    "activation": Hyperparameter(
        Category(ACTIVATIONS),
        "nonlinearity after each hidden layer",
        "relu max(x, 0); sigmoid 1/(1 + e⁻ˣ); tanh; gelu x Φ(x); leaky_relu max(x, 0.01 x); elu x or eˣ - 1; "
        "silu x/(1 + e⁻ˣ); identity",
        "torch.nn",
    ),
    "initialization": Hyperparameter(
        Category(INITIALIZATIONS),
        "how the weights are drawn at the start",
        "default U(-1/√in, 1/√in), biases too; xavier variance 2 init_gain²/(in + out); kaiming variance 2/in; "
        "msra_prelu variance 4/((1 + init_slope²)(in + out)); biases 0 in all but default",
        "torch.nn.init; mxnet.init.MSRAPrelu; Glorot and Bengio 2010; He et al. 2015; Saxe et al. 2014",
    ),
    "init_std": Hyperparameter(
        Number(0, 100),
        "standard deviation of the initialization `normal`",
        "W ~ N(0, init_std²)",
        "Dive into Deep Learning 5.2.1",
    ),
    "init_range": Hyperparameter(
        Number(0, 100),
        "a of the initialization `uniform`, which draws from U(-a, a)",
        "W ~ U(-init_range, init_range)",
        "torch.nn.init.uniform_",
    ),
    "init_gain": Hyperparameter(
        Number(0, 100),
        "factor of the initializations `xavier_uniform` and `xavier_normal`",
        "W ~ U(-a, a) with a = init_gain √(6/(in + out)), or N(0, 2 init_gain²/(in + out)); "
        "the magnitude of mxnet.init.Xavier is 3 init_gain², or init_gain² for the normal one",
        "gain of torch.nn.init.xavier_uniform_; Glorot and Bengio 2010",
    ),
    "init_slope": Hyperparameter(
        Number(0, 100),
        "slope below 0 of the leaky ReLU that the initialization `msra_prelu` is made for",
        "W ~ N(0, 4/((1 + init_slope²)(in + out)))",
        "mxnet.init.MSRAPrelu; He et al. 2015",
    ),
    "optimizer": Hyperparameter(
        Category(OPTIMIZERS),
        "update rule; momentum is sgd with one, nesterov looks ahead",
        "sgd p ← p - lr·g; momentum v ← μ v + g, p ← p - lr·v; nesterov p ← p - lr·(g + μ v); "
        "adam, adamw β = (0.9, 0.999), ε = 10⁻⁸; rmsprop α = 0.99, ε = 10⁻⁸",
        "torch.optim; Polyak 1964; Sutskever et al. 2013; Kingma and Ba 2015; Loshchilov and Hutter 2019; Hinton 2012",
    ),
    "momentum": Hyperparameter(
        Number(0, 1),
        f"share of the last update that is kept; {USUAL_MOMENTUM} if left out with momentum or nesterov",
        "v ← momentum · v + g; in rmsprop on the scaled gradient; adam and adamw have their own",
        "torch.optim.SGD, torch.optim.RMSprop",
    ),
    "weight_decay": Hyperparameter(
        Number(0, 100),
        "L2 penalty on every parameter; in adamw apart from the gradient",
        "g ← g + weight_decay · p; in adamw p ← (1 - lr · weight_decay) p before the step",
        "torch.optim; Dive into Deep Learning 3.7; Loshchilov and Hutter 2019",
    ),
    "dropout": Hyperparameter(
        Number(0, 0.99),
        "share of each hidden layer's units dropped in training",
        "h ← h · [u ≥ dropout] / (1 - dropout), u ~ U[0, 1) for each unit, example and step",
        "torch.nn.Dropout; Dive into Deep Learning 5.6; Srivastava et al. 2014",
    ),
    "batch_norm": Hyperparameter(
        Category((False, True)),
        "normalizes each hidden unit over the mini-batch, before the activation; in place of its bias",
        "γ (z - mean) / √(var + 10⁻⁵) + β; in validation with running mean and var, moved by 0.1 each step",
        "torch.nn.BatchNorm1d; Dive into Deep Learning 8.5; Ioffe and Szegedy 2015",
    ),
    "lr_schedule": Hyperparameter(
        Category(LR_SCHEDULES),
        "learning rate over the steps",
        "constant 1; step lr_gamma^floor(t / lr_step_epochs); cosine (1 + cos(π t / (epochs - warmup_epochs))) / 2, "
        "times learning_rate; t in epochs since the warm-up, in fractions, a step at a time",
        "torch.optim.lr_scheduler.StepLR, CosineAnnealingLR; Dive into Deep Learning 12.11; Loshchilov and Hutter 2017",
    ),
    "warmup_epochs": Hyperparameter(
        Number(0, 10_000),
        "epochs in which the learning rate rises, before its schedule",
        "learning_rate · k / (warmup_epochs · steps an epoch) in step k = 1, 2, …",
        "torch.optim.lr_scheduler.LinearLR; Dive into Deep Learning 12.11.3.4",
    ),
    "lr_step_epochs": Hyperparameter(
        Number(1, 10_000, whole=True),
        "epochs between two drops of the schedule `step`",
        "see lr_schedule",
        "step_size of torch.optim.lr_scheduler.StepLR",
    ),
    "lr_gamma": Hyperparameter(
        Number(0, 1),
        "factor of each drop of the schedule `step`",
        "see lr_schedule",
        "gamma of torch.optim.lr_scheduler.StepLR",
    ),
    "label_smoothing": Hyperparameter(
        Number(0, 1),
        "probability that is shared among all classes in training; not in validation, nor where the target is a number",
        "the target of class c is (1 - label_smoothing) [c = y] + label_smoothing / classes",
        "torch.nn.CrossEntropyLoss; Szegedy et al. 2016",
    ),
    "patience": Hyperparameter(
        Number(0, 10_000, whole=True),
        "epochs without a lower validation loss before a run ends; 0 never ends it early",
        "ends when val_loss has not been below its lowest for so many epochs in a row; the value is the last epoch's",
        "Prechelt 1998",
    ),
}

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    name: replace(parameter, default=DEFAULTS[name]) for name, parameter in _TABLE.items()
}


def markdown_table(hyperparameters: Mapping[str, Hyperparameter] = HYPERPARAMETERS) -> str:
    """The hyperparameters as the tables of docs/hyperparameters.md and docs/timing.md."""
    rows = ["| name | default | values | meaning | formula | source |", "|---|---|---|---|---|---|"]
    for name, parameter in hyperparameters.items():
        default = "" if parameter.default is None else f"`{str(parameter.default).lower()}`"
        cells = [
            f"`{name}`",
            default,
            values_text(parameter.kind, "`"),
            parameter.meaning,
            parameter.formula,
            parameter.source,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def values_text(kind: Kind, quote: str = "") -> str:
    """What it can be; each name between `quote`."""
    if isinstance(kind, Category):
        return (" " if quote else ", ").join(f"{quote}{str(name).lower()}{quote}" for name in kind.names)
    if isinstance(kind, Layers):
        return f"at most {MAX_DEPTH} widths"
    return f"{'whole, ' if kind.whole else ''}{kind.bounds()}"

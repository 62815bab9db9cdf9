"""Numbers of many configurations at once, as columns, so that a constraint is computed for all of them in one go."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy

from app.domain.configuration import LAYER_WIDTHS, MLPConfig, with_defaults

PARAMETERS = "parameters"  # weights and biases of the model

# what decides a model's layers, and so its number of parameters
_LAYOUT = ("hidden_units", "depth", *LAYER_WIDTHS, "hidden_layers", "batch_norm")


class Columns:
    """The numbers of configurations by name, each computed when it is asked for; NaN for a layer that is not there."""

    def __init__(self, configurations: Sequence[Mapping[str, Any]], features: int, classes: int) -> None:
        self._configurations, self._shape = configurations, (features, classes)
        self._columns: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._configurations)

    def numbers(self, name: str) -> Any:
        """The column of this name."""
        if name not in self._columns:
            values = self._values(name)
            self._columns[name] = numpy.fromiter(values, dtype=numpy.float64, count=len(self))
        return self._columns[name]

    def have(self, names: Iterable[str]) -> Any:
        """Which configurations have all of these numbers."""
        has_all = numpy.ones(len(self), dtype=bool)
        for name in names:
            if name in LAYER_WIDTHS:
                has_all &= ~numpy.isnan(self.numbers(name))
        return has_all

    def _values(self, name: str) -> Iterable[float]:
        if name == PARAMETERS:
            return self._by_layout(lambda params: MLPConfig.from_params(params).parameter_count(*self._shape))
        if name in LAYER_WIDTHS:
            layer = LAYER_WIDTHS.index(name)
            return self._by_layout(lambda params: _width(with_defaults(params)["hidden_layers"], layer))
        if name == "momentum":  # the one that is left out depends on the optimizer
            return (with_defaults(params)[name] for params in self._configurations)
        default = with_defaults({})[name]
        return (params.get(name, default) for params in self._configurations)

    def _by_layout(self, compute: Callable[[Mapping[str, Any]], float]) -> Iterable[float]:
        """What is computed from the layers alone, once for each layout."""
        computed: dict[str, float] = {}
        for params in self._configurations:
            layout = {name: params[name] for name in _LAYOUT if name in params}
            key = repr(layout)
            if key not in computed:
                computed[key] = compute(layout)
            yield computed[key]


def quotient(dividend: Any, divisor: Any) -> Any:
    """The quotient of floats or columns; NaN where it is divided by 0."""
    if isinstance(divisor, float):
        return dividend / divisor if divisor else math.nan * dividend
    with numpy.errstate(all="ignore"):
        return numpy.where(divisor == 0, math.nan, dividend / divisor)


def _width(widths: Sequence[int], layer: int) -> float:
    return widths[layer] if layer < len(widths) else math.nan

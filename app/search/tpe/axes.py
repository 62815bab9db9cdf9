"""The axes of the space in which TPE's kernels lie: of numbers, some of them in logarithms, and of names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from app.search.tpe.normal import quantiles_between


class Axes:
    """The hyperparameters that vary, by name as Optuna orders them; rows have a number for each, as Optuna keeps it."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(sorted(distributions.items()))
        ordered = list(self.distributions.values())
        numbers = [
            (column, distribution)
            for column, distribution in enumerate(ordered)
            if isinstance(distribution, FloatDistribution | IntDistribution)
        ]
        self.choices = [
            (column, len(distribution.choices))
            for column, distribution in enumerate(ordered)
            if isinstance(distribution, CategoricalDistribution)
        ]
        self.numbers = np.array([column for column, _ in numbers], dtype=int)
        self.is_log = np.array([distribution.log for _, distribution in numbers], dtype=bool)
        self.first, self.last = (
            np.array([getattr(distribution, end) for _, distribution in numbers], dtype=float)
            for end in ("low", "high")
        )
        self.step = np.array([distribution.step or 0.0 for _, distribution in numbers], dtype=float)
        # as kernels have it: half a step wider at both ends, and in logarithms
        self.low, self.high = self.places(self.first - self.step / 2), self.places(self.last + self.step / 2)
        self.reals = np.flatnonzero(self.step == 0)  # of the numbers
        self.stepped = np.flatnonzero(self.step > 0)

    def rows(self, trials: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """The parameters of those of these trials that have them all, a row each."""
        names = self.distributions.keys()
        rows = [
            [distribution.to_internal_repr(params[name]) for name, distribution in self.distributions.items()]
            for params in trials
            if names <= params.keys()
        ]
        return np.array(rows, dtype=float).reshape(len(rows), len(names))

    def params(self, row: Sequence[float]) -> dict[str, Any]:
        """The parameters of a row, by name."""
        named = zip(self.distributions.items(), row, strict=True)
        return {name: distribution.to_external_repr(value) for (name, distribution), value in named}

    def places(self, values: np.ndarray) -> np.ndarray:
        """Where values of the numbers, one for each or more, lie on their axes."""
        places = values.astype(float)
        places[self.is_log] = np.log(places[self.is_log])
        return places

    def step_ends(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the steps of these values of the numbers begin and end, on the axes in steps; [stepped, n] each."""
        half, is_log = self.step[self.stepped, np.newaxis] / 2, self.is_log[self.stepped]
        ends = values[self.stepped] - half, values[self.stepped] + half
        for end in ends:
            end[is_log] = np.log(end[is_log])
        return ends

    def values(self, places: np.ndarray) -> np.ndarray:
        """The values of the numbers at these places, [numbers, n]: those that they can have."""
        values = places.copy()
        values[self.is_log] = np.exp(values[self.is_log])
        first, last, step = self.first[:, np.newaxis], self.last[:, np.newaxis], self.step[:, np.newaxis]
        steps = np.round((values[self.stepped] - first[self.stepped]) / step[self.stepped])
        values[self.stepped] = first[self.stepped] + steps * step[self.stepped]
        np.clip(values, first, last, out=values)
        return values

    def draw(self, means: np.ndarray, widths: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Values at quantiles of kernels with these means and widths, within the bounds; all [numbers, n]."""
        low, high = ((bound[:, np.newaxis] - means) / widths for bound in (self.low, self.high))
        return self.values(quantiles_between(low, high, quantiles) * widths + means)

    def widths(self, places: np.ndarray) -> np.ndarray:
        """How wide the kernels are that have their means at these places, [numbers, n], as Optuna computes it.

        As wide as the larger one of the gaps to their neighbours, within limits.
        """
        count = places.shape[1]
        order = np.argsort(places, axis=1)
        ends = np.empty((len(places), count + 2))
        ends[:, 0], ends[:, -1] = self.low, self.high
        ends[:, 1:-1] = np.take_along_axis(places, order, axis=1)
        gaps = np.diff(ends, axis=1)
        sorted_widths = np.maximum(gaps[:, :-1], gaps[:, 1:])
        if count >= 2:
            sorted_widths[:, 0], sorted_widths[:, -1] = gaps[:, 1], gaps[:, -2]
        widths = np.empty_like(places)
        np.put_along_axis(widths, order, sorted_widths, axis=1)
        most = (self.high - self.low)[:, np.newaxis]
        np.clip(widths, most / min(100.0, 2.0 + count), most, out=widths)
        return widths

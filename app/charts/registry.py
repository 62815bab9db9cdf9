"""The charts by name: the rows that each needs, its options, and how it is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, cast

import plotly.graph_objects as go

from app.charts.curves import CurvesOptions, Measure, curves_data, curves_figure
from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.empty import empty_figure
from app.charts.history import history_data, history_figure
from app.charts.labels import varying
from app.charts.pareto import ParetoOptions, pareto_data, pareto_figure
from app.charts.rows import EpochRow, SweepRow, TrialRow
from app.charts.select import finished
from app.errors import FieldError, InvalidError, NotFoundError

Query = Mapping[str, str]
Needs = Literal["trials", "runs", "epochs", "objectives"]  # runs and objectives: the trials with theirs


@dataclass(frozen=True)
class Chart:
    """One kind of chart."""

    name: str
    """What addresses call it."""
    title: str
    """What pages call it."""
    description: str
    """What it shows, in a sentence."""
    needs: Needs
    """Which rows to read."""
    options: tuple[str, ...]
    """The parameters that its query string may have."""
    parse: Callable[[SweepRow, Query], Any]
    """Gives the chart's options of a query string. Raises InvalidError."""
    draw: Callable[[SweepRow, Sequence[TrialRow], Sequence[EpochRow], Any], go.Figure]
    """Draws the rows with these options; the epochs are empty where it does not need them."""

    def suits(self, sweep: SweepRow) -> bool:
        """Whether the chart says something about this sweep."""
        return self.needs != "objectives" or bool(sweep.objectives)

    def figure(
        self, sweep: SweepRow, trials: Sequence[TrialRow], epochs: Sequence[EpochRow] = (), query: Query | None = None
    ) -> go.Figure:
        """Draws the chart with the options of a query string, e.g. {"x": "hidden_units"}. Raises InvalidError."""
        query = query or {}
        for option in query:
            if option not in self.options:
                _refuse(option, f"the chart {self.name} has {_joined(self.options) or 'no options'}")
        return self.draw(sweep, trials, epochs, self.parse(sweep, query))


def chart(name: str) -> Chart:
    """The chart of that name. Raises NotFoundError, which names those that exist."""
    if name not in CHARTS:
        raise NotFoundError(f"There is no chart {name!r}; there are {_joined(CHARTS)}.")
    return CHARTS[name]


def _refuse(option: str, msg: str) -> NoReturn:
    raise InvalidError(f"The chart's option {option} can't be used: {msg}.", [FieldError(("query", option), msg)])


def _joined(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(names)


def _axis_name(sweep: SweepRow, option: str, name: str) -> str:
    if name not in sweep.axes:
        _refuse(option, f"{name!r} is not a hyperparameter of this sweep; there are {_joined(sweep.axes)}")
    return name


def _effect_options(sweep: SweepRow, query: Query) -> EffectOptions:
    x = _axis_name(sweep, "x", query["x"]) if query.get("x") else ""  # the trials tell what is worth drawing
    color = _axis_name(sweep, "color", query["color"]) if query.get("color") else None
    close = query.get("close", "false")
    if close not in ("true", "false"):
        _refuse("close", f"must be true or false, not {close!r}")
    return EffectOptions(x, color, close == "true")


def _curves_options(_: SweepRow, query: Query) -> CurvesOptions:
    measure = query.get("measure", "accuracy")
    if measure not in ("accuracy", "loss"):
        _refuse("measure", f"must be accuracy or loss, not {measure!r}")
    return CurvesOptions(cast(Measure, measure))


def _pareto_options(sweep: SweepRow, query: Query) -> ParetoOptions:
    names = [objective.metric for objective in sweep.objectives] or [sweep.objective.metric] * 2
    axes = {"x": query.get("x") or names[1], "y": query.get("y") or names[0]}
    for option, name in axes.items():
        if name not in names:
            _refuse(option, f"{name!r} is no objective of this sweep; there are {_joined(names)}")
    return ParetoOptions(**axes)


def _draw_pareto(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: ParetoOptions
) -> go.Figure:
    if not sweep.objectives:
        return empty_figure("This sweep has one objective; a front needs several")
    return pareto_figure(pareto_data(sweep, trials, options))


def _draw_effect(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: EffectOptions
) -> go.Figure:
    x = options.x or _first_x(sweep, trials)
    if not x:
        return empty_figure("This sweep has no hyperparameter to compare")
    return effect_figure(effect_data(sweep, trials, replace(options, x=x)))


def _first_x(sweep: SweepRow, trials: Sequence[TrialRow]) -> str:
    """The first hyperparameter with choices to compare, else the first in which the trials differ, else the first."""
    compared = [name for name, axis in sweep.axes.items() if axis.choices is not None and len(axis.choices) > 1]
    if compared:
        return compared[0]
    varying_names = [name for name in varying([item.trial for item in finished(trials)]) if name in sweep.axes]
    return next(iter([*varying_names, *sweep.axes]), "")


CHARTS: dict[str, Chart] = {
    entry.name: entry
    for entry in (
        Chart(
            "effect",
            "Effect of one hyperparameter",
            "The metric against one hyperparameter: alone, along the lines of a grid, or as a sampler found it.",
            "runs",
            ("x", "color", "close"),
            _effect_options,
            _draw_effect,
        ),
        Chart(
            "curves",
            "Learning curves",
            "Training and validation over the epochs, mean and spread over seeds.",
            "epochs",
            ("measure",),
            _curves_options,
            lambda sweep, trials, epochs, options: curves_figure(curves_data(sweep, trials, epochs, options)),
        ),
        Chart(
            "history",
            "History of the search",
            "Every trial's value by number, the best single trial so far, and the best configuration.",
            "trials",
            (),
            lambda _sweep, _query: None,
            lambda sweep, trials, _epochs, _options: history_figure(history_data(sweep, trials)),
        ),
        Chart(
            "pareto",
            "Pareto front",
            "Two objectives against each other, with the trials that no other beats in all of them.",
            "objectives",
            ("x", "y"),
            _pareto_options,
            _draw_pareto,
        ),
    )
}

"""The charts by name: the rows that each needs, its options, and how it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import plotly.graph_objects as go

from app.charts.diagnostics import diagnostics_data, diagnostics_figure
from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.empty import empty_figure
from app.charts.heatmap import (
    EPOCHS_AXIS,
    HeatmapOptions,
    epoch_means,
    heatmap_data,
    heatmap_figure,
    trials_with_curves,
)
from app.charts.importance import importance_data, importance_figure
from app.charts.labels import varying
from app.charts.landscape.contour import contour_data, contour_figure
from app.charts.landscape.rank import rank_data, rank_figure
from app.charts.lens import OPTIONS as LENS
from app.charts.lens.robust import with_robust_axis
from app.charts.looks import looks
from app.charts.options import (
    Query,
    curves_options,
    diagnostics_options,
    edf_options,
    effect_options,
    heatmap_options,
    importance_options,
    joined,
    pareto_options,
    plane_options,
    refuse,
    regret_options,
)
from app.charts.overview.edf import edf_data, edf_figure
from app.charts.overview.parallel_coordinates import parallel_data, parallel_figure
from app.charts.overview.slice import slice_data, slice_figure
from app.charts.pareto import ParetoOptions, pareto_data, pareto_figure
from app.charts.progress.curves import CurvesOptions, curves_data, curves_figure
from app.charts.progress.history import history_data, history_figure
from app.charts.progress.regret import regret_data, regret_figure
from app.charts.progress.timeline import timeline_data, timeline_figure
from app.charts.rows import DiagnosticsRow, EpochMean, EpochRow, SweepRow, TrialRow
from app.charts.select import finished
from app.charts.value_scale import ValueScale
from app.domain.objectives import Objective
from app.domain.tasks import TASKS
from app.errors import NotFoundError

# Beside the trials: their runs, or those of configurations that have several trials (`pooled`), their values in all
# objectives, the curves of the best and the worst of them, or the metric after each epoch of those that the chart
# picks, or what the networks of the best and the worst of them did.
Needs = Literal["trials", "runs", "pooled", "objectives", "epochs", "epoch_means", "diagnostics"]
Curves = Sequence[EpochRow] | Sequence[EpochMean] | Sequence[DiagnosticsRow]


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
    draw: Callable[[SweepRow, Sequence[TrialRow], Any, Any], go.Figure]
    """Draws the rows with these options; the curves are empty where it does not need them."""
    robust: Callable[[SweepRow, Any], Objective] | None = None
    """Whose values are on its y axis with these options, where that can be the robust axis of the lens."""
    pick: Callable[[SweepRow, Sequence[TrialRow], Any], Sequence[TrialRow]] | None = None
    """The trials whose metric after each epoch it needs with these options; None where it has no use for it."""

    def suits(self, sweep: SweepRow) -> bool:
        """Whether the chart says something about this sweep."""
        has_rows = {
            "epochs": not TASKS[sweep.task].is_timing,
            "objectives": bool(sweep.objectives),
            "diagnostics": sweep.diagnostics,
        }
        return has_rows.get(self.needs, True)

    def rows_needed(self, query: Query) -> Needs:
        """Which rows to read for these options."""
        over_epochs = self.pick is not None and query.get("y", EPOCHS_AXIS) in ("", EPOCHS_AXIS)
        return "epoch_means" if over_epochs else self.needs

    def picked_trials(self, sweep: SweepRow, trials: Sequence[TrialRow], query: Query) -> list[int]:
        """The numbers of the trials whose metric after each epoch it draws. Raises InvalidError."""
        return [trial.number for trial in self.pick(sweep, trials, self.parse(sweep, query))] if self.pick else []

    def figure(
        self,
        sweep: SweepRow,
        trials: Sequence[TrialRow],
        epochs: Curves = (),
        query: Query | None = None,
        *,
        robust: bool = False,
    ) -> go.Figure:
        """Draws the chart with the options of a query string, e.g. {"x": "hidden_units"}. Raises InvalidError.

        `robust` is the lens's axis. Charts that lie by the logarithm of the error anyway are the same with it.
        """
        query = query or {}
        for option in query:
            if option not in self.options:
                refuse(
                    option,
                    f"the chart {self.name} has {joined(self.options) or 'no options'}, and each has {joined(LENS)}",
                )
        options = self.parse(sweep, query)
        figure = self.draw(sweep, trials, epochs, options)
        figure.update_layout(meta={**(figure.layout.meta or {}), "looks": looks(sweep, trials)})
        if robust and self.robust is not None:
            return with_robust_axis(figure, ValueScale(self.robust(sweep, options)))
        return figure


def chart(name: str) -> Chart:
    """The chart of that name. Raises NotFoundError, which names those that exist."""
    if name not in CHARTS:
        raise NotFoundError(f"There is no chart {name!r}; there are {joined(CHARTS)}.")
    return CHARTS[name]


def _draw_pareto(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: ParetoOptions
) -> go.Figure:
    if not sweep.objectives:
        return empty_figure("This sweep has one objective; a front needs several")
    return pareto_figure(pareto_data(sweep, trials, options))


def _draw_curves(
    sweep: SweepRow, trials: Sequence[TrialRow], epochs: Sequence[EpochRow], options: CurvesOptions
) -> go.Figure:
    if TASKS[sweep.task].is_timing:
        return empty_figure("This sweep times; it has no learning curves")
    return curves_figure(curves_data(sweep, trials, epochs, options))


def _draw_effect(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: EffectOptions
) -> go.Figure:
    x = options.x or _first_x(sweep, trials)
    if not x:
        return empty_figure("This sweep has no hyperparameter to compare")
    return effect_figure(effect_data(sweep, trials, replace(options, x=x)))


def _heatmap_with_x(sweep: SweepRow, trials: Sequence[TrialRow], options: HeatmapOptions) -> HeatmapOptions:
    """The options with an x axis, where none was asked for."""
    return options if options.x else replace(options, x=_first_x(sweep, trials, but=options.y))


def _drawn_over_epochs(sweep: SweepRow, trials: Sequence[TrialRow], options: HeatmapOptions) -> list[TrialRow]:
    return trials_with_curves(sweep, trials, _heatmap_with_x(sweep, trials, options))


def _draw_heatmap(sweep: SweepRow, trials: Sequence[TrialRow], curves: Curves, options: HeatmapOptions) -> go.Figure:
    """The heat map of means after each epoch, or of learning curves that were read whole."""
    whole_curves = [row for row in curves if isinstance(row, EpochRow)]
    means = [row for row in curves if isinstance(row, EpochMean)] or epoch_means(whole_curves, sweep.objective.metric)
    options = _heatmap_with_x(sweep, trials, options)
    if not options.x:
        return empty_figure("This sweep has no hyperparameter to compare")
    return heatmap_figure(heatmap_data(sweep, trials, means, options))


def _first_x(sweep: SweepRow, trials: Sequence[TrialRow], but: str = "") -> str:
    """The first hyperparameter with choices to compare, else the first in which the trials differ, else the first.

    `but` is not among them.
    """
    axes = {name: axis for name, axis in sweep.axes.items() if name != but}
    compared = [name for name, axis in axes.items() if axis.choices is not None and len(axis.choices) > 1]
    if compared:
        return compared[0]
    varying_names = [name for name in varying([item.trial for item in finished(trials)]) if name in axes]
    return next(iter([*varying_names, *axes]), "")


def _objective(sweep: SweepRow, _: Any) -> Objective:
    return sweep.objective


def _measured(_: SweepRow, options: CurvesOptions) -> Objective:
    return Objective(f"val_{options.measure}", options.measure in ("accuracy", "r2"))


CHARTS: dict[str, Chart] = {
    entry.name: entry
    for entry in (
        Chart(
            "effect",
            "Effect of one hyperparameter",
            "The metric against one hyperparameter: alone, along the lines of a grid, or as a sampler found it.",
            "runs",
            ("x", "color", "close", "dependence"),
            effect_options,
            _draw_effect,
            robust=_objective,
        ),
        Chart(
            "heatmap",
            "Heat map of two",
            "The metric over two hyperparameters, or over one and the epochs of the learning curves.",
            "runs",
            ("x", "y"),
            heatmap_options,
            _draw_heatmap,
            pick=_drawn_over_epochs,
        ),
        Chart(
            "importance",
            "What matters",
            "How much of the variance between trials each hyperparameter explains alone, with its interval.",
            "trials",
            ("close",),
            importance_options,
            lambda sweep, trials, _epochs, options: importance_figure(importance_data(sweep, trials, options)),
        ),
        Chart(
            "curves",
            "Learning curves",
            "Training and validation over the epochs, mean and spread over seeds.",
            "epochs",
            ("measure", "trials"),
            curves_options,
            _draw_curves,
            robust=_measured,
        ),
        Chart(
            "diagnostics",
            "What the networks do",
            "Dead units and the sizes of activations and gradients by layer, and how many answers a network gives.",
            "diagnostics",
            ("measure", "epoch"),
            diagnostics_options,
            lambda sweep, trials, rows, options: diagnostics_figure(diagnostics_data(sweep, trials, rows, options)),
        ),
        Chart(
            "history",
            "History of the search",
            "Every trial's value by number, the best single trial so far, and the best configuration.",
            "trials",
            (),
            lambda _sweep, _query: None,
            lambda sweep, trials, _epochs, _options: history_figure(history_data(sweep, trials)),
            robust=_objective,
        ),
        Chart(
            "regret",
            "Best so far by what was spent",
            "The best single trial so far against seconds, epochs trained or trials.",
            "trials",
            ("x",),
            regret_options,
            lambda sweep, trials, _epochs, options: regret_figure(regret_data(sweep, trials, options)),
        ),
        Chart(
            "parallel_coordinates",
            "All hyperparameters side by side",
            "A line for each configuration through an axis for each hyperparameter, coloured by its value.",
            "pooled",
            (),
            lambda _sweep, _query: None,
            lambda sweep, trials, _curves, _options: parallel_figure(parallel_data(sweep, trials)),
        ),
        Chart(
            "slice",
            "Each hyperparameter by itself",
            "A panel for each hyperparameter with the value of every configuration, coloured by when it was tried.",
            "pooled",
            (),
            lambda _sweep, _query: None,
            lambda sweep, trials, _curves, _options: slice_figure(slice_data(sweep, trials)),
            robust=_objective,
        ),
        Chart(
            "contour",
            "What is to be expected",
            "What a forest of the trials expects over two hyperparameters, only where something was tried nearby.",
            "pooled",
            ("x", "y"),
            plane_options,
            lambda sweep, trials, _curves, options: contour_figure(contour_data(sweep, trials, options)),
        ),
        Chart(
            "rank",
            "Ranks of what was tried",
            "Configurations on one or two hyperparameters, coloured by their place among all.",
            "pooled",
            ("x", "y"),
            plane_options,
            lambda sweep, trials, _curves, options: rank_figure(rank_data(sweep, trials, options)),
        ),
        Chart(
            "edf",
            "How many are how good",
            "The share of configurations that are at least as good as each value.",
            "pooled",
            ("color",),
            edf_options,
            lambda sweep, trials, _curves, options: edf_figure(edf_data(sweep, trials, options)),
        ),
        Chart(
            "timeline",
            "When trials were trained",
            "Every trial from its start to its end, by state.",
            "trials",
            (),
            lambda _sweep, _query: None,
            lambda sweep, trials, _curves, _options: timeline_figure(timeline_data(sweep, trials)),
        ),
        Chart(
            "pareto",
            "Pareto front",
            "Two objectives against each other, with the trials that no other beats in all of them.",
            "objectives",
            ("x", "y"),
            pareto_options,
            _draw_pareto,
        ),
    )
}

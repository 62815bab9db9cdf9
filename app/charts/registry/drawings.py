"""Draws charts: of their data alone, or with a usual axis, or with a word on why there is nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from app.charts.diagnostics import DiagnosticsOptions, diagnostics_data, diagnostics_figure
from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.empty import empty_figure
from app.charts.heatmap import HeatmapOptions, heatmap_data, heatmap_figure, trials_with_curves
from app.charts.labels import varying
from app.charts.options import refuse
from app.charts.overview.scatter import ScatterOptions, scatter_data, scatter_figure
from app.charts.pareto import ParetoOptions, pareto_data, pareto_figure
from app.charts.progress.all_curves import AllCurvesOptions, all_curves_data, all_curves_figure
from app.charts.progress.curves import CurvesOptions, curves_data, curves_figure
from app.charts.progress.timeline import TimelineOptions, timeline_data, timeline_figure
from app.charts.rows import AttemptRow, DiagnosticsRow, EpochMean, EpochRow, SweepRow, TrialRow
from app.charts.select import finished
from app.domain.objectives import Objective
from app.domain.tasks import TASKS


def of_trials(data: Callable[..., Any], figure: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """Draws charts that need no more than trials, and their options where they have any."""

    def draw(sweep: SweepRow, trials: Sequence[TrialRow], _: object, options: object) -> go.Figure:
        return figure(data(sweep, trials) if options is None else data(sweep, trials, options))

    return draw


def draw_pareto(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: ParetoOptions
) -> go.Figure:
    if not sweep.objectives:
        return empty_figure("This sweep has one objective; a front needs several")
    return pareto_figure(pareto_data(sweep, trials, options))


def draw_curves(
    sweep: SweepRow, trials: Sequence[TrialRow], epochs: Sequence[EpochRow], options: CurvesOptions
) -> go.Figure:
    if TASKS[sweep.task].is_timing:
        return empty_figure("This sweep times; it has no learning curves")
    return curves_figure(curves_data(sweep, trials, epochs, options))


def draw_timeline(
    sweep: SweepRow, trials: Sequence[TrialRow], attempts: Sequence[AttemptRow], options: TimelineOptions
) -> go.Figure:
    return timeline_figure(timeline_data(sweep, trials, attempts, options))


def draw_scatter(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: ScatterOptions
) -> go.Figure:
    if TASKS[sweep.task].is_timing:
        return empty_figure("This sweep times; it has one metric")
    return scatter_figure(scatter_data(sweep, trials, options))


def draw_all_curves(
    sweep: SweepRow, trials: Sequence[TrialRow], means: Sequence[EpochMean], options: AllCurvesOptions
) -> go.Figure:
    if TASKS[sweep.task].is_timing:
        return empty_figure("This sweep times; it has no learning curves")
    return all_curves_figure(all_curves_data(sweep, trials, means, options))


def draw_diagnostics(
    sweep: SweepRow, trials: Sequence[TrialRow], rows: Sequence[DiagnosticsRow], options: DiagnosticsOptions
) -> go.Figure:
    epochs = {row.epoch for row in rows}
    if epochs and options.epoch is not None and options.epoch not in epochs:
        refuse("epoch", f"nothing was measured after epoch {options.epoch}; there are 0 to {max(epochs)}")
    return diagnostics_figure(diagnostics_data(sweep, trials, rows, options))


def draw_effect(
    sweep: SweepRow, trials: Sequence[TrialRow], _: Sequence[EpochRow], options: EffectOptions
) -> go.Figure:
    x = options.x or _first_x(sweep, trials)
    if not x:
        return empty_figure("This sweep has no hyperparameter to compare")
    return effect_figure(effect_data(sweep, trials, replace(options, x=x)))


def _heatmap_with_x(sweep: SweepRow, trials: Sequence[TrialRow], options: HeatmapOptions) -> HeatmapOptions:
    """The options with an x axis, where none was asked for."""
    return options if options.x else replace(options, x=_first_x(sweep, trials, but=options.y))


def trials_over_epochs(sweep: SweepRow, trials: Sequence[TrialRow], options: HeatmapOptions) -> list[TrialRow]:
    return trials_with_curves(sweep, trials, _heatmap_with_x(sweep, trials, options))


def draw_heatmap(
    sweep: SweepRow, trials: Sequence[TrialRow], means: Sequence[EpochMean], options: HeatmapOptions
) -> go.Figure:
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


def own_objective(sweep: SweepRow, _: Any) -> Objective:
    return sweep.objective


def measured_objective(_: SweepRow, options: CurvesOptions) -> Objective:
    return Objective(f"val_{options.measure}", options.measure in ("accuracy", "r2"))

"""The charts of a sweep's page, tab by tab: those that have something to show, with their addresses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app import schemas
from app.charts.diagnostics import TEXTS, Measure
from app.charts.heatmap import EPOCHS_AXIS
from app.charts.importance import LEAST_CONFIGURATIONS
from app.charts.options import curves_measures, diagnostics_measures, scatter_metrics
from app.charts.titles import MEASURES
from app.domain.configuration import LAYER_WIDTHS
from app.domain.datasets import DatasetInfo
from app.domain.sampling import SAMPLERS
from app.domain.space import Space
from app.domain.space.domains import values
from app.domain.space.edges import can_be_widened
from app.domain.space.membership import contains
from app.web.pages.lens.toolbar import Toolbar
from app.web.pages.rendering import ChartPanel
from app.web.pages.sweep.summary import SweepSummary
from app.web.pages.sweep.trial_table import TrialQuery


@dataclass(frozen=True)
class SweepCharts:
    """The charts of a sweep through the lens of its page."""

    summary: SweepSummary
    space: Space
    dataset: DatasetInfo
    lens: Toolbar
    query: TrialQuery

    @property
    def sweep(self) -> schemas.SweepOut:
        """The sweep's fields."""
        return self.summary.sweep

    @property
    def varied(self) -> list[str]:
        """The hyperparameters against which values can be drawn."""
        return list(self.space.free())

    @property
    def metrics(self) -> Sequence[str]:
        """What can be on the axes beside hyperparameters."""
        return () if self.summary.task.is_timing else scatter_metrics(self.dataset.target)

    @property
    def is_scatter(self) -> bool:
        """Whether a metric is asked for on the x axis, or another one than the sweep's own on the y axis."""
        has_metric = self.query.x in self.metrics or self.query.y not in ("", self.sweep.objective.metric)
        return has_metric and bool(self.metrics)

    @property
    def has_values(self) -> bool:
        """Whether a trial has ended with a value."""
        return bool(self.sweep.counts.complete or self.sweep.counts.pruned)

    @property
    def has_curves(self) -> bool:
        """Whether something has learned for an epoch."""
        return bool(self.sweep.epochs.done) and not self.summary.task.is_timing

    @property
    def has_dependence(self) -> bool:
        """Whether a forest can say what the hyperparameter does: others vary too, as a sampler chose."""
        is_sampled = len(self.varied) > 1 and not SAMPLERS[self.summary.sampler].enumerates
        return is_sampled and not self.is_scatter

    @property
    def has_importance(self) -> bool:
        """Whether there is enough to tell what matters."""
        return len(self.varied) > 1 and self.sweep.counts.complete >= LEAST_CONFIGURATIONS

    @property
    def overview(self) -> list[ChartPanel]:
        """Those that are drawn at once."""
        panels = []
        if self.has_values and self.is_scatter:
            panels.append(self._chart("scatter", "One metric against another", **self._axes(), wide=True))
        elif self.has_values:
            options, wide = self._effect_options(), not self.has_importance
            panels.append(self._chart("effect", "Value against a hyperparameter", **options, wide=wide))
        if self.has_importance:
            panels.append(self._chart("importance", "What matters", wide=self.is_scatter))
        if self.sweep.best and self.sweep.pareto:
            panels.append(self._chart("pareto", "Pareto front of the objectives", wide=True))
        if self.has_values:
            panels.append(self._chart("history", "Best value by trial"))
        if self.has_curves:
            panels.append(self._chart("curves", "Learning curves"))
        return panels

    @property
    def further(self) -> list[ChartPanel]:
        """Those that are drawn only when they are asked for."""
        if not self.has_values:
            return []
        x = self._first_hyperparameter
        second = next((name for name in (self.query.color, *self.varied) if name and name != x), "")
        y_names = (second,) if self.summary.task.is_timing else dict.fromkeys((second, EPOCHS_AXIS))
        panels = [self._heatmap(x, y) for y in y_names if x and y and y != x]
        if len(self.varied) > 1:
            panels.append(self._chart("parallel_coordinates", "All hyperparameters side by side"))
            panels.append(self._chart("slice", "Each hyperparameter by itself", wide=True))
            panels.append(self._chart("contour", f"What is to be expected over {x} and {second}", x=x, y=second))
            panels.append(self._chart("rank", f"Ranks over {x} and {second}", x=x, y=second))
            panels.append(self._chart("edf", "How many are how good", wide=False, **self._color()))
        return panels

    @property
    def curves(self) -> list[ChartPanel]:
        """Over epochs: the curves of each measure, and what the networks do where that is measured."""
        if not self.has_curves:
            return []
        options = {"group": self.query.color} if self.query.color else {}
        panels = [self._chart("all_curves", "All learning curves", wide=True, **options)]
        panels += [
            replace(
                self._chart("curves", f"Learning curves, {MEASURES[measure]}", wide=True, measure=measure),
                id=f"curves-{measure}",
            )
            for measure in curves_measures(self.dataset.target)
        ]
        if self.sweep.diagnostics:
            panels += [
                self._diagnostics(measure)
                for measure in diagnostics_measures(self.dataset.target)
                if measure != "bottleneck" or _may_have_one_unit(self.space)
            ]
        return panels

    @property
    def timeline(self) -> list[ChartPanel]:
        """Over time."""
        if not self.sweep.started_at:
            return []
        panels = [self._chart("timeline", "When trials were trained", wide=True)]
        return [*panels, self._chart("regret", "Best so far by time", wide=True)] if self.has_values else panels

    def comparison(self, trials: Sequence[schemas.TrialOut]) -> list[ChartPanel]:
        """The curves of these trials in one chart."""
        if self.summary.task.is_timing:
            return []
        numbers = self.query.at_places([trial.number for trial in trials])
        panel = self._chart("curves", "Learning curves of the selected trials", wide=True, trials=numbers)
        return [replace(panel, id="curves-selected")]

    def _heatmap(self, x: str, y: str) -> ChartPanel:
        return replace(self._chart("heatmap", f"Heat map of {x} and {y}", x=x, y=y), id=f"heatmap-{y}")

    def _diagnostics(self, measure: Measure) -> ChartPanel:
        panel = self._chart("diagnostics", TEXTS[measure].title, wide=True, measure=measure)
        return replace(panel, id=f"diagnostics-{measure}")

    @property
    def _first_hyperparameter(self) -> str:
        """That on the x axis, by default the first that varies."""
        asked_name = "" if self.query.x in self.metrics else self.query.x
        return asked_name or next(iter(self.varied), "")

    @property
    def widenable(self) -> str:
        """The hyperparameter on the x axis, where it is a number that can go further."""
        name = "" if self.query.x in self.metrics else self._first_hyperparameter
        return name if can_be_widened(self.space.free().get(name)) and self.sweep.state != "stopping" else ""

    def _effect_options(self) -> dict[str, str]:
        """What the chart of one hyperparameter's effect is asked for."""
        options = {"x": self._first_hyperparameter, "color": self.query.color}
        options["dependence"] = self.query.dependence if self.has_dependence else ""
        return {name: value for name, value in options.items() if value}

    def _color(self) -> dict[str, str]:
        return {"color": self.query.color} if self.query.color else {}

    def _axes(self) -> dict[str, str]:
        """What the chart of one metric against another is asked for."""
        options = {"x": self.query.x or self._first_hyperparameter, "y": self.query.y, "color": self.query.color}
        return {name: value for name, value in options.items() if value}

    def _chart(self, name: str, title: str, *, wide: bool = False, **options: str) -> ChartPanel:
        path = f"/sweeps/{self.sweep.id}"
        address = self.lens.through(f"/api/v1{path}/charts/{name}", name, options)
        return ChartPanel(name, address, title, wide, trials=path)


def _may_have_one_unit(space: Space) -> bool:
    """Whether some network of the space has a hidden layer of one unit."""
    widths = (space.domains.get(name) for name in ("hidden_units", *LAYER_WIDTHS))
    layers = space.domains.get("hidden_layers")
    in_layers = layers is not None and any(1 in choice for choice in values(layers))
    return in_layers or any(width is not None and contains(width, 1) for width in widths)

"""The parts of the chart of an effect: points, levels and lines, and what they are made with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.charts.axis import AxisPlan, Place
from app.charts.configurations import Configuration, Spread, spread
from app.charts.labels import label, params_text
from app.charts.rows import SweepRow, TrialRow
from app.domain.formatting import score
from app.domain.tasks import TASKS

# What varies: x alone, everything as a full grid, or what a sampler chose, where other hyperparameters differ between
# two values of x and a mean would show the sampler's preferences.
Kind = Literal["alone", "grid", "sampled"]


@dataclass(frozen=True)
class EffectOptions:
    """What is drawn."""

    x: str  # the hyperparameter on the x axis
    color: str | None = None  # the one that colours, if any
    close: bool = False  # whether the y axis is cut to the better half
    dependence: bool = False  # whether a sampled sweep shows what a forest expects along x


class Point(NamedTuple):
    """One run, or one configuration with its spread over seeds."""

    x: Place
    y: float
    hue: object  # the colouring parameter's value
    text: str
    trial: int  # its number
    bar: Spread | None = None


class Level(NamedTuple):
    """What stands for all that was tried at one value of x."""

    x: Place
    y: float | None  # None where nothing was tried: a gap
    bar: Spread | None  # over the seeds of one configuration
    n: int  # runs, settings of the others, or configurations


class Line(NamedTuple):
    """One setting of the other hyperparameters, along x."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Group:
    """What has one colour."""

    name: str  # empty when no legend tells groups apart
    points: Sequence[Point]
    lines: Sequence[Line] = ()
    levels: Sequence[Level] = ()  # means


@dataclass(frozen=True)
class Expected:
    """The partial dependence on x: what a forest expects at its places, None where there are no trials."""

    x: Sequence[Place]
    mean: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    lines: Sequence[Sequence[float | None]]  # each with the other hyperparameters of one trial


@dataclass(frozen=True)
class EffectData:
    """What the chart shows."""

    title: str
    subtitle: str
    metric: str  # what people call it, with its unit
    objective: str  # the same as sweeps call it
    hover: str  # plotly's text of a value
    runs_noun: str  # seeds or repeats
    kind: Kind
    color: str | None  # the hyperparameter that colours
    axis: AxisPlan
    hues: AxisPlan | None  # where the colour is a scale over the points, not a legend of groups
    groups: Sequence[Group]
    envelope: Sequence[Level]  # of a sampled sweep
    expected: Expected | None  # of a sampled sweep, where it was asked for
    pruned: Sequence[Point]
    excluded: Sequence[Point]
    best: Point | None  # the best configuration
    best_name: str
    y_range: tuple[float, float] | None


@dataclass(frozen=True)
class Drawing:
    """What all parts of the chart are made with."""

    sweep: SweepRow
    options: EffectOptions
    axis: AxisPlan
    names: Sequence[str]  # the hyperparameters in which trials differ

    def place(self, trial: TrialRow) -> Place:
        """Where the trial lies on the axis."""
        value = trial.params[self.options.x]
        return label(value) if self.axis.scale == "category" else float(value)  # type: ignore[arg-type]

    def point(self, trial: TrialRow, y: float, head: str, bar: Spread | None = None) -> Point:
        """A point of the trial's, with a line of its own above its parameters."""
        hue = trial.params.get(self.options.color) if self.options.color else None
        text = f"{head}<br>{params_text(trial.params, self.names)}"
        return Point(self.place(trial), y, hue, text, trial.number, bar)

    def configuration_point(self, item: Configuration) -> Point:
        """The point of a configuration, with its spread over seeds."""
        number = f"trial {item.trial.number}"
        if item.std is None:
            return self.point(item.trial, item.mean, number)
        nouns, spread_text = f"{TASKS[self.sweep.task].run_noun}s", score(item.std, metric=self.sweep.objective.metric)
        text = f"{number}, ± {spread_text} over {len(item.runs)} {nouns}"
        return self.point(item.trial, item.mean, text, spread(self.sweep.objective.metric, item.mean, item.std))

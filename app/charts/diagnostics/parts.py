"""The parts of the chart of diagnostics: its measures, panels, lines and boxes, and what they are made with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.charts.labels import TrialName
from app.charts.looks import Look

Measure = Literal["dead", "activations", "gradients", "classes", "outputs", "bottleneck"]


class MeasureText(NamedTuple):
    """What a chart of a measure says."""

    title: str
    axis: str
    note: str  # in lines that find room on a phone
    log: bool = False


TEXTS: Mapping[Measure, MeasureText] = {
    "dead": MeasureText(
        "Dead units", "share of dead units", "dead: the same output for every example,<br>and no slope to change it"
    ),
    "activations": MeasureText(
        "Size of activations", "root mean square", "outputs of each layer, at most 1,000 held-out examples", log=True
    ),
    "gradients": MeasureText(
        "Size of gradients",
        "root mean square",
        "of the loss by a layer's weights, 256 training examples",
        log=True,
    ),
    "classes": MeasureText("Classes predicted", "classes", "how many a network predicts for at least one example"),
    "outputs": MeasureText(
        "Different answers",
        "different answers",
        "at most 1,000 held-out examples; equal answers are those in which<br>nothing differs in three decimals",
        log=True,
    ),
    "bottleneck": MeasureText(
        "The number in a layer of one unit",
        "before the<br>activation",
        "held-out examples by class; each panel one run<br>box 25 to 75 %, line the median, whiskers 5 to 95 %",
    ),
}


@dataclass(frozen=True)
class DiagnosticsOptions:
    """What is drawn."""

    measure: Measure = "dead"
    epoch: int | None = None  # None: over all epochs, and of a bottleneck after the last


class Line(NamedTuple):
    """Means over the seeds of one trial."""

    name: TrialName
    x: Sequence[int | str]  # epochs or layers
    y: list[float]


class Boxes(NamedTuple):
    """The quantiles of one run's bottleneck."""

    name: TrialName
    classes: list[int]
    quantiles: list[Sequence[float]]  # 5, 25, 50, 75 and 95 % by class


class Panel(NamedTuple):
    """One of the diagrams side by side."""

    title: str
    lines: Sequence[Line] = ()
    boxes: Boxes | None = None


class DiagnosticsData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    text: MeasureText
    by: str  # the parameters that the lines' names are values of
    looks: Mapping[int, Look]  # by trial
    x_title: str
    panels: list[Panel]

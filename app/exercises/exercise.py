"""An exercise of the book: a question, the sweeps that answer it, charts, and an answer from the data."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import plotly.graph_objects as go

from app.charts.progress.means import epoch_means
from app.charts.registry import Chart, Curves, chart
from app.charts.rows import DiagnosticsRow, EpochRow, SweepRow, TrialRow
from app.domain.formatting import setting
from app.exercises.answers.finding import Answer
from app.exercises.answers.wording import in_words
from app.exercises.preset import Preset

LEGEND = 0.4  # of a chart's height at most: on a phone and on paper, where nobody scrolls it, ten names need as much
Needs = Literal["epochs", "diagnostics", "seconds"]

SOURCE = "Dive into Deep Learning, section 5.2.4"


def training_body(
    number: int, what: str, preset: Preset, space: Mapping[str, Any], seeds: int, **options: Any
) -> dict[str, Any]:
    """The body of an exercise's sweep that trains on Fashion-MNIST: a grid for the best validation accuracy.

    `options` are further fields of the body, or others than these.
    """
    return {
        "name": f"Exercise {number}: {what} ({preset})",
        "dataset": "fashion_mnist",
        "space": {**space, "batch_size": 256},
        "sampler": "grid",
        "seeds": seeds,
        "split": "holdout",
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        **options,
    }


@dataclass(frozen=True)
class SweepData:
    """What one sweep of a run has measured so far."""

    sweep: SweepRow
    trials: Sequence[TrialRow] = ()
    epochs: Sequence[EpochRow] = ()
    """Empty where the exercise does not need them."""
    diagnostics: Sequence[DiagnosticsRow] = ()
    """The same."""
    seconds: Mapping[int, float] = field(default_factory=dict)
    """The same: how long a training took, in the mean over a trial's runs, by its number."""


Measurements = Mapping[str, SweepData]
"""The sweeps of a run by their names in the exercise, all of them, finished or not."""


@dataclass(frozen=True)
class ExerciseChart:
    """A chart of the exercise's data."""

    name: str
    """What addresses call it."""
    title: str
    """What pages call it."""
    draw: Callable[[Measurements], go.Figure]


def chart_of(
    sweep: str,
    name: str,
    numbers_of: Callable[[SweepData], Collection[int]] | None = None,
    *,
    title: str = "",
    **options: str,
) -> Callable[[Measurements], go.Figure]:
    """Draws one of the charts that every sweep has, of one of the exercise's sweeps.

    `numbers_of` gives the numbers of the trials that are drawn, all where it is left out; `title` is one in place of
    the chart's own.
    """

    def draw(measurements: Measurements) -> go.Figure:
        data, definition = measurements[sweep], chart(name)
        if numbers_of is not None:
            data = _part_of(data, numbers_of(data))
        figure = _with_titles_in_words(
            definition.figure(data.sweep, data.trials, _curves(data, definition, options), options)
        )
        figure.update_layout(legend_maxheight=LEGEND)
        return figure.update_layout(title_text=title) if title else figure

    return draw


def _curves(data: SweepData, definition: Chart, options: Mapping[str, str]) -> Curves:
    """What the chart needs beside the trials."""
    needs = definition.rows_needed(options)
    if needs == "epoch_means":
        return epoch_means(data.epochs, data.sweep.objective.metric)
    return data.diagnostics if needs == "diagnostics" else data.epochs


def _with_titles_in_words(figure: go.Figure) -> go.Figure:
    """The figure with hyperparameters as readers write them, in its titles, of axes and legend too: `hidden units`."""
    for place in (figure.layout, figure.layout.legend, *figure.select_xaxes(), *figure.select_yaxes()):
        if place.title.text:
            place.title.text = in_words(place.title.text)
    return figure


def _part_of(data: SweepData, numbers: Collection[int]) -> SweepData:
    """Some of its trials, of which none is called the best; their looks are told apart as those of the first ones."""
    look_places = {number: place for place, number in enumerate(sorted(numbers))}
    return SweepData(
        replace(data.sweep, best=None, look_places=look_places),
        [trial for trial in data.trials if trial.number in numbers],
        [row for row in data.epochs if row.trial in numbers],
        [row for row in data.diagnostics if row.trial in numbers],
    )


@dataclass(frozen=True)
class Slider:
    """What a reader can try: one more network, or one more timing, with another value of one hyperparameter."""

    hyperparameter: str
    values: Sequence[object]
    """From one end of the slider to the other."""
    body: Callable[[Preset, Measurements], Mapping[str, Any] | None]
    """Gives the body of a sweep, in whose space the hyperparameter is replaced by what the reader tries.

    None while the run has not measured what is to be as it is there."""
    chart: str
    """The name of the chart to which the result is added; its x axis is the hyperparameter."""
    label: str
    """What pages call the hyperparameter."""
    note: str
    """What else is chosen, and from where."""
    beside: tuple[str, ...] = ()
    """Further hyperparameters, of which each value is tried with every choice."""
    action: str = "Train one network"
    """What the button says."""

    def name_of(self, params: Mapping[str, Any]) -> str:
        """`0.15`, or `concise, 100`: what was tried, by all that differs between tries."""
        return ", ".join(setting(params.get(name)) for name in (*self.beside, self.hyperparameter))


@dataclass(frozen=True)
class Exercise:
    """One exercise, as a value that says how to run it and how to read its results."""

    number: int
    """Its number in the book."""
    title: str
    """What lists call it."""
    question: str
    """What it asks, in our words."""
    parts: tuple[str, ...]
    """What an answer has to give."""
    sweeps: Callable[[Preset], dict[str, dict[str, Any]]]
    """Gives the bodies to post for a preset, by the sweeps' names in the exercise. They are posted in this order."""
    charts: tuple[ExerciseChart, ...]
    """What shows the answer, the most telling first."""
    answer: Callable[[Measurements], Answer | None]
    """Reads the answer from the trials so far; None while they say nothing. Called once some trial has ended."""
    subset: str
    """What the quick preset is of the whole, e.g. `5 of 11 widths, 5 of 10 epochs`."""
    whole: str
    """The same of the full preset, e.g. `11 widths, 10 epochs, 3 seeds`."""
    needs: frozenset[Needs] = field(default_factory=frozenset)
    """What else than trials and runs its charts and its answer are made of."""

    scored: tuple[str, ...] = ()
    """The sweeps whose scores on the test images belong to the answer."""

    optional: tuple[str, ...] = ()
    """The sweeps that ask for what a machine may lack: a run is complete although all their trials failed."""

    slider: Slider | None = None
    """None where there is nothing that a reader could try in a moment."""

    @property
    def source(self) -> str:
        """Where the question comes from."""
        return f"{SOURCE}, exercise {self.number}"

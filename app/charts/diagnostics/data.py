"""What the chart of diagnostics shows: a panel for each layer, all layers after one epoch, or a bottleneck."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from app.charts.diagnostics.parts import TEXTS, Boxes, DiagnosticsData, DiagnosticsOptions, Line, Measure, Panel
from app.charts.labels import TrialName, naming_parameters, trial_name
from app.charts.looks import look_of
from app.charts.marks import excluded_note
from app.charts.rows import DiagnosticsRow, SweepRow, TrialRow
from app.charts.select import CURVES, thinned
from app.charts.titles import drawn_note, subtitle
from app.domain.diagnostics import is_measured

PANELS = 6  # layers that are drawn beside each other

Rows = Mapping[int, Sequence[DiagnosticsRow]]  # by trial
Value = Callable[[DiagnosticsRow], float | None]  # None: the network lacks that layer, or its figure was not finite

_OF_LAYERS: Mapping[Measure, Callable[[DiagnosticsRow], Sequence[float | None]]] = {
    "dead": lambda row: row.dead_share,
    "activations": lambda row: row.activation_rms,
    "gradients": lambda row: row.gradient_rms,
}
_OF_NETWORKS: Mapping[Measure, Value] = {
    "classes": lambda row: row.predicted_classes,
    "outputs": lambda row: row.distinct_outputs,
}


def diagnostics_data(
    sweep: SweepRow,
    trials: Sequence[TrialRow],
    rows: Sequence[DiagnosticsRow],
    options: DiagnosticsOptions | None = None,
) -> DiagnosticsData:
    """What the chart shows of at most 12 trials and 6 layers, evenly spread where there are more."""
    options = options or DiagnosticsOptions()
    by_trial: dict[int, list[DiagnosticsRow]] = {}
    for row in rows:
        if options.epoch in {None, row.epoch}:
            by_trial.setdefault(row.trial, []).append(row)
    measured_trials = [trial for trial in trials if trial.number in by_trial]
    drawn_trials = thinned(measured_trials, CURVES)
    parameters = naming_parameters(drawn_trials)
    names = [trial_name(sweep, trial, parameters) for trial in drawn_trials]
    if all(name.order is not None for name in names):
        names.sort(key=lambda name: name.order or 0.0)
    layers = _layers(options.measure, by_trial)
    by_layer = options.measure in _OF_LAYERS and options.epoch is None
    panels = [panel for panel in _panels(options, names, by_trial, layers) if panel.lines or panel.boxes]
    when = {None: "", 0: " before the first step"}.get(options.epoch, f" after epoch {options.epoch}")
    text = TEXTS[options.measure]
    return DiagnosticsData(
        title=text.title + when,
        subtitle=subtitle(
            sweep,
            text.note,
            "means over the seeds" if options.measure != "bottleneck" and len({row.seed for row in rows}) > 1 else "",
            drawn_note(len(names), max(sweep.trials_with_curves, len(measured_trials)), "trials"),
            drawn_note(PANELS, len(layers), "layers") if by_layer else "",
            _epochs_note(by_trial.values()) if options.epoch is None and options.measure != "bottleneck" else "",
            _zeros_note(panels) if text.log else "",
            excluded_note(sweep),
        ),
        text=text,
        by=" · ".join(parameters),
        looks={trial.number: look_of(sweep, trial.number, trial.params) for trial in drawn_trials},
        x_title={"bottleneck": "class"}.get(options.measure, "layer" if _is_profile(options) else "epoch"),
        panels=panels,
    )


def _is_profile(options: DiagnosticsOptions) -> bool:
    """Whether the layers stand along the axis."""
    return options.measure in _OF_LAYERS and options.epoch is not None


def _panels(
    options: DiagnosticsOptions, names: Sequence[TrialName], by_trial: Rows, layers: Sequence[str]
) -> list[Panel]:
    if options.measure == "bottleneck":
        return [Panel(name.text, boxes=_boxes(name, by_trial[name.trial])) for name in names]
    if options.measure in _OF_NETWORKS:
        value = _OF_NETWORKS[options.measure]
        return [_over_epochs("", names, by_trial, value)]
    values = {layer: _value_of(options.measure, layer) for layer in layers}
    if options.epoch is not None:
        return [_over_layers(names, by_trial, values)]
    return [_over_epochs(layer, names, by_trial, values[layer]) for layer in thinned(layers, PANELS)]


def _layer_names(row: DiagnosticsRow) -> list[str]:
    return [*(f"hidden {index + 1}" for index in range(len(row.dead_share))), "output"]


def _layers(measure: Measure, by_trial: Rows) -> list[str]:
    """The layers of the deepest network; where units are counted, without the output."""
    deepest = max((_layer_names(rows[0]) for rows in by_trial.values()), key=len, default=[])
    return deepest[:-1] if measure == "dead" else deepest


def _value_of(measure: Measure, layer: str) -> Value:
    def value(row: DiagnosticsRow) -> float | None:
        return dict(zip(_layer_names(row), _OF_LAYERS[measure](row), strict=False)).get(layer)

    return value


def _over_epochs(title: str, names: Sequence[TrialName], by_trial: Rows, value: Value) -> Panel:
    lines = []
    for name in names:
        by_epoch: dict[int, list[DiagnosticsRow]] = {}
        for row in by_trial[name.trial]:
            by_epoch.setdefault(row.epoch, []).append(row)
        epochs = sorted(by_epoch)
        lines.append(_line(name, epochs, [_mean(by_epoch[epoch], value) for epoch in epochs]))
    return Panel(title, [line for line in lines if line.x])


def _over_layers(names: Sequence[TrialName], by_trial: Rows, values: Mapping[str, Value]) -> Panel:
    lines = [
        _line(name, list(values), [_mean(by_trial[name.trial], value) for value in values.values()]) for name in names
    ]
    return Panel("", [line for line in lines if line.x])


def _mean(rows: Sequence[DiagnosticsRow], value: Value) -> float | None:
    """Over the runs that have a figure."""
    numbers = [number for row in rows if (number := value(row)) is not None and math.isfinite(number)]
    return float(f"{fmean(numbers):.5g}") if numbers else None


def _line(name: TrialName, x: Sequence[int | str], y: Sequence[float | None]) -> Line:
    points = [(place, number) for place, number in zip(x, y, strict=True) if number is not None]
    return Line(name, [place for place, _ in points], [number for _, number in points])


def _epochs_note(curves: Iterable[Sequence[DiagnosticsRow]]) -> str:
    """After how many epochs of the longest training networks are drawn, where it is not each that was measured."""
    epochs_of_trials = ({row.epoch for row in rows} for rows in curves)
    epochs = max(epochs_of_trials, key=lambda epochs: max(epochs, default=0), default=set[int]())
    last = max(epochs, default=0)
    return drawn_note(len(epochs), sum(is_measured(epoch, last) for epoch in range(last + 1)), "measured epochs")


def _zeros_note(panels: Sequence[Panel]) -> str:
    zeros = sum(0.0 in line.y for panel in panels for line in panel.lines)
    return "no zeros on this axis: where a line lacks points, it is 0" if zeros else ""


def _boxes(name: TrialName, rows: Sequence[DiagnosticsRow]) -> Boxes | None:
    """The trial's first run after its last epoch; None where it has no layer of one unit."""
    last = max((row for row in rows if row.seed == rows[0].seed), key=lambda row: row.epoch)
    quantiles = {
        label: [number for number in numbers if number is not None]
        for label, numbers in enumerate(last.bottleneck or ())
        if None not in numbers
    }
    return Boxes(name, list(quantiles), list(quantiles.values())) if quantiles else None

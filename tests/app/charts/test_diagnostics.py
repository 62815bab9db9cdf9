"""The chart of diagnostics: a panel for each layer, all layers after one epoch, or what one unit tells apart."""

from dataclasses import replace

import pytest

from app.charts.diagnostics import DiagnosticsOptions, diagnostics_data, diagnostics_figure
from app.charts.looks import look_of
from app.charts.registry import CHARTS, chart
from app.charts.rows import Axis, DiagnosticsRow
from app.domain.datasets import Target
from app.errors import InvalidError
from tests.support.sweeps.chart_examples import complete, sweep

SWEEP = replace(sweep(Axis("hidden_units", choices=(1, 2))), diagnostics=True)
TRIALS = [complete(0, {"hidden_units": 2}, 0.6, 0.4), complete(1, {"hidden_units": 1}, 0.3)]


def row(trial: int, seed: int, epoch: int, *sizes: float | None, dead: float = 0.0) -> DiagnosticsRow:
    """A network of as many layers as there are sizes, with one unit in its first."""
    layers = len(sizes)
    quantiles = [[label + shift for shift in (-0.4, -0.2, 0.0, 0.2, 0.4)] for label in (0, 1)]
    absent = [None] * 5
    return DiagnosticsRow(
        trial, seed, epoch, [dead] * (layers - 1), sizes, sizes, 2, 0.5, 17, [*quantiles, absent] if trial else None
    )


ROWS = [
    *(row(0, seed, epoch, 0.25 + seed / 2, 1.0, 4.0, dead=seed / 2) for seed in (0, 1) for epoch in (0, 1, 2)),
    *(row(1, 0, epoch, 0.0, 2.0) for epoch in (0, 1)),
]


def test_each_layer_has_a_panel_and_each_trial_a_line_of_means() -> None:
    """0.25 and 0.75 are 0.5; the network of fewer layers has its output beside the other's."""
    data = diagnostics_data(SWEEP, TRIALS, ROWS, DiagnosticsOptions("activations"))
    assert [panel.title for panel in data.panels] == ["hidden 1", "hidden 2", "output"]
    first, second, output = data.panels
    assert [(line.name.text, line.x, line.y) for line in first.lines] == [
        ("1", [0, 1], [0.0, 0.0]),
        ("2", [0, 1, 2], [0.5, 0.5, 0.5]),
    ]
    assert [line.name.text for line in second.lines] == ["2"]
    assert [line.y for line in output.lines] == [[2.0, 2.0], [4.0] * 3]
    assert "means over the seeds" in data.subtitle
    assert "no zeros on this axis" in data.subtitle


def test_dead_units_are_those_of_hidden_layers() -> None:
    """The output has none to count, and 0 is a share like any other."""
    data = diagnostics_data(SWEEP, TRIALS, ROWS)
    assert [panel.title for panel in data.panels] == ["hidden 1", "hidden 2"]
    assert data.panels[0].lines[1].y == [0.25] * 3
    assert "no place" not in data.subtitle


def test_one_epoch_shows_all_layers_along_the_axis() -> None:
    """What the initialization does to sizes, layer after layer; a figure that was not finite is a gap."""
    rows = [row(0, 0, 0, 0.5, 1.0, 4.0), row(1, 0, 0, 0.25, None), row(0, 0, 1, 9.0, 9.0, 9.0)]
    data = diagnostics_data(SWEEP, TRIALS, rows, DiagnosticsOptions("gradients", 0))
    (panel,) = data.panels
    assert [(line.x, line.y) for line in panel.lines] == [
        (["hidden 1"], [0.25]),
        (["hidden 1", "hidden 2", "output"], [0.5, 1.0, 4.0]),
    ]
    assert data.title == "Size of gradients before the first step"


def test_a_bottleneck_is_drawn_class_by_class() -> None:
    """One panel for each trial that has one; a class that the sample lacks is left out."""
    data = diagnostics_data(SWEEP, TRIALS, ROWS, DiagnosticsOptions("bottleneck"))
    (panel,) = data.panels
    assert panel.boxes is not None
    assert panel.boxes.classes == [0, 1]
    (box,) = diagnostics_figure(data).data
    assert (box.type, box.x, box.median, box.q3) == ("box", (0, 1), (0.0, 1.0), (0.2, 1.2))


def test_the_figure_names_each_trial_once() -> None:
    """Three panels and two trials: two names, each in the look that its trial has in all charts."""
    figure = diagnostics_figure(diagnostics_data(SWEEP, TRIALS, ROWS, DiagnosticsOptions("activations")))
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["1", "2"]
    looks = {(trace.name, trace.line.color, trace.marker.symbol) for trace in figure.data}
    assert looks == {
        (str(trial.params["hidden_units"]), *look_of(SWEEP, trial.number, trial.params)) for trial in TRIALS
    }
    assert {trace.customdata[0] for trace in figure.data} == {0, 1}
    assert figure.layout.yaxis.type == "log"
    assert len(diagnostics_figure(diagnostics_data(SWEEP, TRIALS, [])).data) == 0


def test_it_is_a_chart_of_sweeps_that_measure_their_networks() -> None:
    """Others don't list it; its options are those of the address."""
    assert CHARTS["diagnostics"].suits(SWEEP)
    assert not CHARTS["diagnostics"].suits(replace(SWEEP, diagnostics=False))
    figure = chart("diagnostics").figure(SWEEP, TRIALS, ROWS, {"measure": "outputs", "epoch": ""})
    assert figure.data[0].y == (17.0, 17.0)


def test_bottlenecks_have_scales_of_their_own() -> None:
    """What one network has between -1 and 1 another one has between -100 and 100; sizes of layers are compared."""
    trials = [*TRIALS, complete(2, {"hidden_units": 3}, 0.5)]
    rows = [*ROWS, ROWS[-1]._replace(trial=2)]
    boxes = diagnostics_figure(diagnostics_data(SWEEP, trials, rows, DiagnosticsOptions("bottleneck")))
    assert [axis.matches for axis in boxes.select_yaxes()] == [None, None]
    sizes = diagnostics_figure(diagnostics_data(SWEEP, trials, rows, DiagnosticsOptions("activations")))
    assert [axis.matches for axis in sizes.select_yaxes()] == [None, "y", "y"]


@pytest.mark.parametrize(
    ("target", "query", "option", "msg"),
    [
        ("class", {"epoch": "3"}, "epoch", "nothing was measured after epoch 3; there are 0 to 2"),
        (
            "number",
            {"measure": "classes"},
            "measure",
            "must be one of dead, activations, gradients, outputs, bottleneck",
        ),
    ],
)
def test_what_was_not_measured_is_told_from_what_was(
    target: Target, query: dict[str, str], option: str, msg: str
) -> None:
    """422, with what there is, rather than a chart of nothing."""
    with pytest.raises(InvalidError) as error:
        chart("diagnostics").figure(replace(SWEEP, target=target), TRIALS, ROWS, query)
    assert [(field.loc, msg in field.msg) for field in error.value.errors] == [(("query", option), True)]


def test_it_says_where_not_all_epochs_are_drawn() -> None:
    """A long training is not measured after each: that is no gap."""
    assert "epochs drawn" not in diagnostics_data(SWEEP, TRIALS, ROWS).subtitle
    long_rows = [row(0, 0, epoch, 1.0, 1.0) for epoch in [*range(101), *range(110, 201, 10)]]
    assert "epochs drawn" not in diagnostics_data(SWEEP, TRIALS, long_rows).subtitle
    assert "56 of 111 measured epochs drawn" in diagnostics_data(SWEEP, TRIALS, long_rows[::2]).subtitle


def test_the_time_grows_with_the_rows_alone() -> None:
    """A hundred runs of 281 epochs are looked at once for each layer, and not once for each epoch."""
    rows = [row(0, seed, epoch, 1.0, 1.0) for seed in range(100) for epoch in range(281)]
    reads = 0

    class Counted(DiagnosticsRow):
        def __getattribute__(self, name: str) -> object:
            nonlocal reads
            reads += name == "epoch"
            return super().__getattribute__(name)

    data = diagnostics_data(SWEEP, TRIALS, [Counted(*item) for item in rows], DiagnosticsOptions("activations"))
    assert [len(line.x) for panel in data.panels for line in panel.lines] == [281, 281]
    assert reads <= 10 * len(rows)

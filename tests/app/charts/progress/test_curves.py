from dataclasses import replace

import pytest

from app.charts.lens.robust import with_robust_axis
from app.charts.progress.curves import CurvesOptions, Line, curves_data, curves_figure
from app.charts.rows import Axis, EpochRow, TrialRow
from app.charts.value_scale import ValueScale
from app.domain.objectives import Objective
from tests.support.sweeps.chart_examples import complete, curve, sweep, with_best

WIDTH = Axis("hidden_units", choices=(1, 2))
TRIALS = [complete(0, {"hidden_units": 2}, 0.6), complete(1, {"hidden_units": 1}, 0.3)]
EPOCHS = [*curve(0, 0, [0.4, 0.6]), *curve(0, 1, [0.2, 0.6]), *curve(1, 0, [0.3])]


def test_a_line_is_the_mean_over_seeds() -> None:
    """0.4 and 0.2 are 0.3 ± 0.1414 in epoch 1; the curves stand in the order of the widths."""
    narrow, wide = curves_data(sweep(WIDTH), TRIALS, EPOCHS).curves
    assert (narrow.name, wide.name) == ("1", "2")
    assert wide.val == Line([1, 2], [0.3, 0.6], [0.14142, 0.0])
    assert wide.train.means == pytest.approx([0.4, 0.7])
    assert narrow.val == Line([1], [0.3], [0.0])


def test_a_run_that_stopped_early_counts_with_its_last_epoch() -> None:
    """As it does in the trial's value and in the heat map: a line that leaves it out would rise without learning."""
    epochs = [*curve(0, 0, [0.4, 0.5]), *curve(0, 1, [0.6, 0.7, 0.8, 0.9]), *curve(1, 0, [0.3])]
    data = curves_data(sweep(WIDTH), TRIALS, epochs)
    wide = data.curves[1]
    assert wide.val == Line([1, 2, 3, 4], [0.5, 0.6, 0.65, 0.7], [0.14142, 0.14142, 0.21213, 0.28284])
    assert wide.train.means == pytest.approx([0.6, 0.7, 0.75, 0.8])
    assert "a run that stopped early counts with its last epoch" in data.subtitle
    line = next(trace for trace in curves_figure(data).data if trace.name == "2" and trace.line.dash is None)
    assert "validation, mean of 2 runs%{text}" in line.hovertemplate
    assert list(line.text) == ["", "", ", 1 stopped before", ", 1 stopped before"]
    assert "stopped early" not in curves_data(sweep(WIDTH), TRIALS, EPOCHS).subtitle


def test_a_line_ends_where_a_run_diverged() -> None:
    """The mean of the others is not that of the trial, which has none; seed by seed each is drawn as far as it came."""
    broken = curve(0, 1, [0.6, 0.7])[1]._replace(train_loss=None)  # its accuracy is a number yet
    epochs = [*curve(0, 0, [0.4, 0.5, 0.6]), *curve(0, 1, [0.6]), broken, *curve(1, 0, [0.3])]
    data = curves_data(sweep(WIDTH), TRIALS, epochs)
    assert data.curves[1].val == Line([1], [0.5], [0.14142])
    assert "1 of 2 trials drawn until a run diverged" in data.subtitle
    by_seed = curves_data(sweep(WIDTH), TRIALS[:1], epochs, CurvesOptions(trials={0: 0}))
    assert [item.val.epochs for item in by_seed.curves] == [[1, 2, 3], [1]]
    assert "1 of 2 runs drawn until it diverged" in by_seed.subtitle


def test_where_not_every_epoch_is_read_a_mean_is_over_what_was_read_of_all() -> None:
    """Of seed 0, which stopped after epoch 3, epochs 1 and 3 were read, of seed 1 epochs 1, 5 and 6."""
    rows = dict(enumerate(curve(0, 1, [0.2, 0.3, 0.4, 0.5, 0.6, 0.8]), start=1))
    epochs = [*curve(0, 0, [0.4, 0.5, 0.6])[::2], *(rows[epoch] for epoch in (1, 5, 6))]
    data = curves_data(sweep(WIDTH), TRIALS[:1], epochs)
    assert (data.curves[0].val.epochs, data.curves[0].val.means) == ([1, 5, 6], [0.3, 0.6, 0.7])
    assert "3 of 6 epochs drawn" in data.subtitle


def test_bands_end_where_no_value_can_be() -> None:
    """0.8 and 1.0 are 0.9 ± 0.14: the band ends at 1; that of a loss at 0."""
    epochs = [*curve(0, 0, [0.8]), *curve(0, 1, [1.0])]
    for measure, limit in (("accuracy", max), ("loss", min)):
        made = curves_figure(curves_data(sweep(WIDTH), TRIALS[:1], epochs, CurvesOptions(measure)))  # type: ignore[arg-type]
        band = next(trace for trace in made.data if trace.fill == "toself")
        assert limit(band.y) == {"accuracy": 1.0, "loss": 0.0}[measure]


def test_the_best_configuration_is_marked_and_always_drawn() -> None:
    """Also where its first trial is not among the highest."""
    trials = [complete(n, {"learning_rate": n / 100}, n / 100) for n in range(40)]
    epochs = [row for n in range(40) for row in curve(n, 0, [n / 100])]
    data = curves_data(with_best(sweep(Axis("learning_rate")), trials[20]), trials, epochs)
    assert [item.name for item in data.curves if item.trial == 20] == ["★ 0.2"]
    assert len(data.curves) == 12


def test_training_is_dashed_and_validation_is_solid() -> None:
    """With a band where there are several seeds."""
    made = curves_figure(curves_data(sweep(WIDTH), TRIALS, EPOCHS))
    dashes = [(trace.line.dash, trace.fill) for trace in made.data if trace.legendgroup == "0"]
    assert dashes == [(None, "toself"), ("dash", None), (None, None)]
    assert made.layout.legend.title.text == "hidden_units"


def test_a_short_axis_names_each_epoch_once() -> None:
    """With one or two epochs plotly would put ticks at halves, and name them like their neighbours."""
    assert curves_figure(curves_data(sweep(WIDTH), TRIALS, EPOCHS)).layout.xaxis.dtick == 1
    long = curve(0, 0, [0.5] * 40)
    assert curves_figure(curves_data(sweep(WIDTH), TRIALS[:1], long)).layout.xaxis.dtick is None


def test_a_loss_that_explodes_leaves_room_for_the_others() -> None:
    """The axis ends at four times the highest one of the better half of them; by its logarithm all are in sight."""
    figures = {}
    for worst in (3.0, 1e20):
        epochs = [EpochRow(n, 0, 1, loss, 0.1, loss, 0.1) for n, loss in enumerate((1.0, 2.0, worst))]
        trials = [complete(n, {"hidden_units": n}, 0.1) for n in range(3)]
        figures[worst] = curves_figure(curves_data(sweep(WIDTH), trials, epochs, CurvesOptions("loss")))
    assert figures[3.0].layout.yaxis.range is None
    assert figures[1e20].layout.yaxis.range == (0, 8.0)
    assert figures[1e20].layout.yaxis.title.text.endswith("loss, cut off at 8")
    overfitted = [EpochRow(0, 0, epoch, 0.01, 1.0, loss, 0.5) for epoch, loss in ((1, 0.5), (2, 1.9))]
    alone = curves_figure(curves_data(sweep(WIDTH), trials[:1], overfitted, CurvesOptions("loss")))
    assert alone.layout.yaxis.range is None
    robust = with_robust_axis(figures[1e20], ValueScale(Objective("val_loss", maximize=False)))
    assert robust.layout.yaxis.range[0] < -20


def test_losses_are_drawn_on_request() -> None:
    """`measure` chooses what is drawn."""
    data = curves_data(sweep(WIDTH), TRIALS, EPOCHS, CurvesOptions("loss"))
    assert data.curves[0].val.means == [0.7]
    assert data.curves[0].train.means == pytest.approx([0.6])


def test_of_many_trials_the_best_and_the_worst_are_drawn() -> None:
    """Six each, and the subtitle says so."""
    trials = [complete(n, {"learning_rate": n / 100}, n / 100) for n in range(40)]
    epochs = [row for n in range(40) for row in curve(n, 0, [n / 100])]
    data = curves_data(sweep(Axis("learning_rate")), trials, epochs)
    assert [item.trial for item in data.curves] == [*range(6), *range(34, 40)]
    assert "the 6 best and 6 worst of 40 trials" in data.subtitle


def test_unfinished_and_diverged_epochs_are_drawn_as_far_as_they_go() -> None:
    """A running trial has a curve; epochs without numbers are skipped, a trial with none of them is not drawn."""
    running = [TrialRow(n, "running", {"hidden_units": n + 1}, None, None) for n in (0, 1)]
    data = curves_data(sweep(WIDTH), running, [*curve(0, 0, [0.3, None, float("nan")]), *curve(1, 0, [None])])
    assert [(item.trial, item.val.epochs) for item in data.curves] == [(0, [1])]


def test_no_epoch_is_an_empty_figure_that_says_so() -> None:
    """Valid, without data, with a sentence."""
    made = curves_figure(curves_data(sweep(WIDTH), TRIALS, []))
    assert len(made.data) == 0
    assert made.layout.annotations[0].text == "No finished epoch yet"


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    """At most 200 points, the first and the last epoch among them."""
    data = curves_data(sweep(WIDTH), TRIALS[:1], curve(0, 0, [0.5] * 5000))
    (only,) = data.curves
    assert len(only.val.epochs) == 200
    assert (only.val.epochs[0], only.val.epochs[-1]) == (1, 5000)
    assert only.name == "trial 0"


def test_curves_of_numbers_are_r2_loss_and_error() -> None:
    """The axis says the target's unit, a band of R² goes below 0 and ends at 1, and an axis of R² ends at -1."""
    numbers = replace(sweep(WIDTH, metric="val_r2"), target="number", unit="points")
    rows = [EpochRow(0, seed, 1, 0.9, None, 1.0, None, 0.5, 40.0, value, 44.0) for seed, value in enumerate([0.9, 1.0])]
    data = curves_data(numbers, TRIALS[:1], rows, CurvesOptions("mae"))
    assert (data.title, data.axis) == ("Learning curves: mean absolute error", "mean absolute<br>error (points)")
    assert data.curves[0].val.means == [44.0]
    band = next(trace for trace in curves_figure(curves_data(numbers, TRIALS[:1], rows, CurvesOptions("r2"))).data)
    assert max(band.y) == 1.0
    wild = [row._replace(val_r2=value) for row, value in zip(rows, (-500.0, 0.5), strict=True)]
    figure = curves_figure(curves_data(numbers, TRIALS[:1], wild, CurvesOptions("r2")))
    assert min(figure.data[0].y) < -500
    assert figure.layout.yaxis.range == (-1.0, 1.02)

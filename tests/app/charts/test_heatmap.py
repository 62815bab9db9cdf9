from dataclasses import replace

import pytest

from app.charts.heatmap import HeatmapOptions, heatmap_data, heatmap_figure, trials_with_curves
from app.charts.heatmap import samples as heatmap_samples
from app.charts.rows import Axis, EpochMean, TrialRow
from tests.support.sweeps.chart_examples import complete, diverged, sweep, with_best

RATE = Axis("learning_rate", choices=(0.1, 1.0, 10.0))
UNITS = Axis("activation", choices=("relu", "tanh"))
BOTH = HeatmapOptions("learning_rate", "activation")
OVER_EPOCHS = HeatmapOptions("learning_rate")


def trial(number: int, rate: float, activation: str, *values: float, **others: object) -> TrialRow:
    return complete(number, {"learning_rate": rate, "activation": activation, **others}, *values)


TRIALS = [trial(0, 0.1, "relu", 0.7, 0.9), trial(1, 1.0, "relu", 0.9, 0.9), trial(2, 0.1, "tanh", 0.6, 0.6)]


def test_a_cell_is_the_mean_over_the_seeds_of_its_configuration() -> None:
    """With its spread and its number of runs in the text; what was not tried is a gap."""
    data = heatmap_data(sweep(RATE, UNITS), TRIALS, [], BOTH)
    assert data.kind == "seeds"
    assert {(cell.x, cell.y): cell.value for cell in data.cells} == {
        (0.1, "relu"): pytest.approx(0.8),
        (1.0, "relu"): pytest.approx(0.9),
        (0.1, "tanh"): pytest.approx(0.6),
    }
    assert "0.8000 ± 0.1414</b>, 2 runs" in data.cells[0].text
    (cells,) = heatmap_figure(data).data
    assert [list(row) for row in cells.z][1] == [pytest.approx(0.39794), None]


def test_cells_of_a_log_axis_end_half_way_between_its_values() -> None:
    """0.1, 1 and 10 lie between powers of the root of ten; names have cells of their own."""
    trials = [*TRIALS, trial(3, 10.0, "tanh", 0.5)]
    (cells,) = heatmap_figure(heatmap_data(sweep(RATE, UNITS), trials, [], BOTH)).data
    assert list(cells.x) == pytest.approx([10**-1.5, 10**-0.5, 10**0.5, 10**1.5])
    assert list(cells.y) == ["relu", "tanh"]
    one_rate = [trial(0, 0.1, "relu", 0.7), trial(1, 0.1, "tanh", 0.8)]
    (cells,) = heatmap_figure(heatmap_data(sweep(Axis("learning_rate"), UNITS), one_rate, [], BOTH)).data
    assert len(cells.x) == 2


def test_runs_that_diverged_are_marked() -> None:
    """A cross where all did, a thin one over the mean of the others where some did."""
    failed = [
        diverged(3, {"learning_rate": 10.0, "activation": "relu"}, None, None),
        diverged(4, {"learning_rate": 10.0, "activation": "tanh"}, None, 0.4),
    ]
    data = heatmap_data(sweep(RATE, UNITS), [*TRIALS, *failed], [], BOTH)
    by_place = {(cell.x, cell.y): cell for cell in data.cells}
    assert by_place[10.0, "relu"].value is None
    assert "2 of 2 runs diverged" in by_place[10.0, "relu"].text
    assert by_place[10.0, "tanh"].value == 0.4
    assert "1 of 2 runs diverged" in by_place[10.0, "tanh"].text
    crosses = {trace.name: list(trace.y) for trace in heatmap_figure(data).data[1:]}
    assert crosses == {"all runs diverged": ["relu"], "some runs diverged": ["tanh"]}
    assert "failed" not in data.subtitle


def test_a_configuration_of_which_a_later_run_diverged_has_a_cross() -> None:
    """Over the mean of the runs of all its trials; where those that diverged are out of sight it is left out."""
    params = {"learning_rate": 10.0, "activation": "tanh"}
    good = complete(3, params, 0.8, 0.9)._replace(configuration="a", without_mean=True)
    broken = diverged(4, params, 0.4, None)._replace(configuration="a", without_mean=True)
    broken = broken._replace(runs=tuple(run._replace(seed=run.seed + 2) for run in broken.runs))
    data = heatmap_data(sweep(RATE, UNITS), [*TRIALS, good, broken], [], BOTH)
    cell = next(cell for cell in data.cells if (cell.x, cell.y) == (10.0, "tanh"))
    assert cell.value == pytest.approx(0.7)
    assert cell.diverged == 1
    assert "1 of 4 runs diverged" in cell.text
    assert "left out" not in data.subtitle
    in_sight = heatmap_data(sweep(RATE, UNITS), [*TRIALS, good], [], BOTH)
    assert (10.0, "tanh") not in {(cell.x, cell.y) for cell in in_sight.cells}
    assert "1 complete trial left out: another seed diverged" in in_sight.subtitle


def test_a_grid_shows_the_mean_over_the_settings_of_the_others() -> None:
    """Each setting counts once, and the spread is that between settings."""
    trials = [trial(0, 0.1, "relu", 0.6, 0.8, depth=1), trial(1, 0.1, "relu", 0.9, 0.9, depth=2)]
    data = heatmap_data(replace(sweep(RATE, UNITS, Axis("depth")), is_grid=True), trials, [], BOTH)
    (cell,) = data.cells
    assert data.kind == "settings"
    assert cell.value == pytest.approx(0.8)
    assert "mean of 2 settings, ± 0.1414 between them" in cell.text


def test_what_a_sampler_chose_is_no_mean_and_no_grid() -> None:
    """Of choices each cell is the best that was found there, of ranges each configuration is a point."""
    choices = [trial(0, 0.1, "relu", 0.6, depth=1), trial(1, 0.1, "relu", 0.9, depth=2), trial(2, 1.0, "relu", 0.5)]
    data = heatmap_data(sweep(RATE, UNITS, Axis("depth")), choices, [], BOTH)
    assert (data.kind, [cell.value for cell in data.cells]) == ("best", [0.9, 0.5])
    assert "trial 1, best of 2 here" in data.cells[0].text
    rates = [trial(n, 0.1 + n / 100, "relu", 0.5 + n / 100) for n in range(20)]
    data = heatmap_data(sweep(Axis("learning_rate", log=True), UNITS), rates, [], BOTH)
    assert (data.kind, len(data.cells)) == ("points", 20)
    (points,) = heatmap_figure(data).data
    assert (points.type, points.mode) == ("scatter", "markers")


def test_over_epochs_each_place_is_read_from_the_curves() -> None:
    """Without further training: the mean over seeds after each epoch, also of runs that diverge later."""
    curves = [
        EpochMean(0, 1, 0.5, 0.1, 2, 0),
        EpochMean(0, 2, 0.7, 0.1, 2, 0),
        EpochMean(1, 1, 0.4, None, 1, 1),
        EpochMean(1, 2, None, None, 0, 2),
    ]
    trials = [TRIALS[0], diverged(1, {"learning_rate": 1.0, "activation": "relu"}, None, None)]
    data = heatmap_data(with_best(sweep(RATE), TRIALS[0]), trials, curves, OVER_EPOCHS)
    assert [(cell.x, cell.y, cell.value, cell.diverged) for cell in data.cells] == [
        (0.1, 1.0, 0.5, 0),
        (0.1, 2.0, 0.7, 0),
        (1.0, 1.0, 0.4, 1),
        (1.0, 2.0, None, 2),
    ]
    assert data.best is not None
    assert (data.best.x, data.best.y) == (0.1, 2.0)
    assert data.best.value == pytest.approx(0.8)


def test_what_ended_between_two_drawn_epochs_stands_at_the_next() -> None:
    """With its own last epoch in the text, and the star: a row of its own would be a gap in all other columns."""
    curves = [
        *(EpochMean(0, epoch, epoch / 100, None, 1, 0) for epoch in (1, 11, 21, 30)),
        EpochMean(1, 1, 0.1, None, 1, 0),
        EpochMean(1, 9, 0.8, None, 1, 0, 2),
    ]
    trials = [trial(0, 0.1, "relu", 0.3), trial(1, 1.0, "relu", 0.8)]
    data = heatmap_data(with_best(sweep(RATE), trials[1]), trials, curves, OVER_EPOCHS)
    cells = {(cell.x, cell.y): cell for cell in data.cells}
    assert cells[1.0, 11.0].value == 0.8
    assert "ended after epoch 9" in cells[1.0, 11.0].text
    assert data.best is not None
    assert (data.best.x, data.best.y) == (1.0, 11.0)
    assert "4 of 30 epochs drawn; what ended between two is at the next" in data.subtitle
    (shown, *_) = heatmap_figure(data).data
    assert len(shown.z) == 4


def test_a_schedule_is_that_of_the_whole_training() -> None:
    """The chart says so: trained for fewer epochs its rate would have been another."""
    scheduled = [trial(0, 0.1, "relu", 0.5, lr_schedule="cosine")]
    curves = [EpochMean(0, 1, 0.5, None, 1, 0)]
    assert "has a schedule" in heatmap_data(sweep(RATE), scheduled, curves, OVER_EPOCHS).subtitle
    assert "has a schedule" not in heatmap_data(sweep(RATE), TRIALS[:1], curves, OVER_EPOCHS).subtitle


def test_runs_of_one_configuration_are_pooled() -> None:
    """Two trials of it with other seeds are one sample: 0.4 and 0.6 with 0.7 and 0.9 have the spread of all four."""
    both = [trial(n, 0.1, "relu", 0.5)._replace(configuration="same") for n in (0, 1)]
    curves = [EpochMean(0, 1, 0.5, 0.02**0.5, 2, 0), EpochMean(1, 1, 0.8, 0.02**0.5, 2, 0)]
    (sample,) = heatmap_samples.samples(both, curves, OVER_EPOCHS)
    assert sample.runs == 4
    assert sample.mean == pytest.approx(0.65)
    assert sample.std == pytest.approx((0.13 / 3) ** 0.5)


def test_of_a_large_grid_whole_settings_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that all columns show the same settings; of a sampled sweep the best is among those drawn."""
    monkeypatch.setattr(heatmap_samples, "CURVE_TRIALS", 10)
    rates = (0.1, 1.0, 10.0)
    trials = [
        trial(3 * depth + n, rate, "relu", 0.5, depth=depth)._replace(epochs=4)
        for depth in range(20)
        for n, rate in enumerate(rates)
    ]
    grid = replace(sweep(RATE, Axis("depth")), is_grid=True)
    drawn = trials_with_curves(grid, trials, OVER_EPOCHS)
    assert [sum(item.params["learning_rate"] == rate for item in drawn) for rate in rates] == [3, 3, 3]
    best = with_best(sweep(RATE, Axis("depth")), trials[31])
    assert 31 in {item.number for item in trials_with_curves(best, trials, OVER_EPOCHS)}

from dataclasses import replace

import pytest

from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.rows import Axis, TrialRow
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, waiting, with_best

WIDTH = Axis("hidden_units", choices=(1, 2, 4, 8))
X = EffectOptions("hidden_units")
WIDTHS = [
    complete(0, {"hidden_units": 1}, 0.1, 0.3),
    complete(1, {"hidden_units": 2}, 0.5, 0.5),
    complete(2, {"hidden_units": 4}, 0.7, 0.9),
]


def test_a_level_is_the_mean_and_sample_std_of_its_runs() -> None:
    """0.1 and 0.3 are 0.2 ± 0.1414 over 2 runs; every run is a point."""
    data = effect_data(sweep(WIDTH), WIDTHS, X)
    (group,) = data.groups
    assert (data.kind, [point.y for point in group.points]) == ("alone", [0.1, 0.3, 0.5, 0.5, 0.7, 0.9])
    level = group.levels[0]
    assert (level.x, level.n) == (1.0, 2)
    assert level.y == pytest.approx(0.2)
    assert level.bar == pytest.approx((0.02**0.5, 0.02**0.5))
    assert group.levels[1].bar == (0.0, 0.0)


def test_runs_of_one_configuration_are_one_level() -> None:
    """A trial that was trained again adds its seeds; one that took over results adds nothing."""
    first, again, reused = (complete(n, {"hidden_units": 1}, 0.1 * n, 0.2 * n) for n in (1, 2, 3))
    again = again._replace(runs=tuple(run._replace(seed=run.seed + 2) for run in again.runs))
    same = [trial._replace(configuration="of width 1") for trial in (first, again, reused)]
    (group,) = effect_data(sweep(WIDTH), same, X).groups
    (level,) = group.levels
    assert level.n == 4
    assert level.y == pytest.approx(0.225)


def test_the_star_is_the_best_of_the_sweep() -> None:
    """Not the highest point: the mean over all runs decides, and pages say how many those are."""
    data = effect_data(with_best(sweep(WIDTH), WIDTHS[1]), WIDTHS, X)
    assert data.best is not None
    assert (data.best.x, data.best.y, data.best_name) == (2.0, 0.5, "best configuration (2 runs)")
    assert effect_data(sweep(WIDTH, metric="val_loss"), WIDTHS, X).title == "Validation loss by hidden_units"
    assert effect_data(sweep(WIDTH), WIDTHS, X).best is None


def test_a_grid_has_a_line_for_each_setting_and_their_mean() -> None:
    """The mean is over the settings that have a value everywhere: with others it would show who is in it."""
    values = {1: (0.2, 0.4), 2: (0.6, 0.8), 3: (0.9,)}
    trials = [
        complete(10 * depth + n, {"hidden_units": n + 1, "depth": depth}, value, value)
        for depth, line in values.items()
        for n, value in enumerate(line)
    ]
    data = effect_data(replace(sweep(WIDTH, Axis("depth")), is_grid=True), trials, X)
    (group,) = data.groups
    assert [(line.name, [point.y for point in line.points]) for line in group.lines] == [
        ("depth 1", [0.2, 0.4]),
        ("depth 2", [0.6, 0.8]),
        ("depth 3", [0.9]),
    ]
    assert [level.y for level in group.levels] == pytest.approx([0.4, 0.6])
    assert {(level.n, level.bar) for level in group.levels} == {(2, None)}
    assert "1 setting with gaps not in the mean" in data.subtitle


def test_a_sampled_sweep_has_no_means_but_the_best_found_near_each_value() -> None:
    """Depth 2 was tried with poor rates: its mean would call it worse than depth 1, its best does not."""
    depth, rate = Axis("depth"), Axis("learning_rate", log=True)
    tried = [(1, 0.1, 0.9), (1, 0.2, 0.8), (2, 0.1, 0.9), (2, 5.0, 0.1), (2, 7.0, 0.1)]
    trials = [complete(n, {"depth": d, "learning_rate": lr}, value) for n, (d, lr, value) in enumerate(tried)]
    data = effect_data(sweep(depth, rate), trials, EffectOptions("depth"))
    assert (data.kind, [group.levels for group in data.groups]) == ("sampled", [()])
    assert [(level.x, level.y, level.n) for level in data.envelope] == [(1.0, 0.9, 2), (2.0, 0.9, 3)]
    assert "no means" in data.subtitle
    names = [trace.name for trace in effect_figure(data).data]
    assert names == ["best found near it", "configuration"]


def test_the_envelope_has_gaps_where_nothing_was_tried() -> None:
    """Of many values, each place shows the best in a window round it; a loss goes down."""
    trials = [
        complete(n, {"learning_rate": 10 ** (n / 40), "depth": n % 3}, 1 + n % 5) for n in range(101) if not 40 < n < 60
    ]
    axes = Axis("learning_rate", log=True), Axis("depth")
    data = effect_data(sweep(*axes, metric="val_loss", maximize=False), trials, EffectOptions("learning_rate"))
    assert {level.y for level in data.envelope} == {1.0, None}
    assert 1 < min(float(level.x) for level in data.envelope if level.y is None) < 100


def test_error_bars_are_of_seeds_and_end_where_no_value_can_be() -> None:
    """An accuracy of 0.9 ± 0.14 has a bar to 1.0; configurations have their own bars in a sampled sweep too."""
    trials = [
        complete(0, {"hidden_units": 1, "depth": 1}, 0.8, 1.0),
        complete(1, {"hidden_units": 2, "depth": 3}, 0.01, 0.2),
    ]
    data = effect_data(sweep(WIDTH, Axis("depth")), trials, X)
    bars = [point.bar for group in data.groups for point in group.points]
    assert [tuple(bar or ()) for bar in bars] == [
        pytest.approx((0.02**0.5, 0.1)),
        pytest.approx((0.105, 0.19 / 2**0.5)),
    ]
    drawn = next(trace for trace in effect_figure(data).data if trace.name == "configuration")
    tops = [y + bar for y, bar in zip(drawn.y, drawn.error_y.array, strict=True)]
    bottoms = [y - bar for y, bar in zip(drawn.y, drawn.error_y.arrayminus, strict=True)]
    assert (max(tops), min(bottoms)) == (pytest.approx(1.0), pytest.approx(0.0))


def test_pruned_and_excluded_trials_are_hollow_and_counted() -> None:
    """They are in no mean, no line and no star; excluded ones that are not among the rows are counted too."""
    trials = [
        *WIDTHS,
        pruned(3, {"hidden_units": 8}, 0.95),
        complete(4, {"hidden_units": 8}, 0.99)._replace(excluded=True),
        pruned(5, {"hidden_units": 1}, 0.2),
    ]
    data = effect_data(replace(sweep(WIDTH), excluded_trials=2), trials, X)
    assert [point.y for point in data.pruned] == [0.95, 0.2]
    assert [point.y for point in data.excluded] == [0.99]
    assert [level.x for level in data.groups[0].levels] == [1.0, 2.0, 4.0]
    assert "hollow: 2 pruned, 1 excluded" in data.subtitle
    assert "2 excluded trials not shown" in data.subtitle
    figure = effect_figure(data)
    assert [trace.marker.symbol for trace in figure.data[:2]] == ["circle-open", "x-thin-open"]


def test_only_pruned_trials_are_a_figure_too() -> None:
    """They are shown, not called nothing."""
    figure = effect_figure(effect_data(sweep(WIDTH), [pruned(0, {"hidden_units": 8}, 0.3)], X))
    assert [trace.name for trace in figure.data] == ["pruned, last value"]


@pytest.mark.parametrize(
    ("axis", "values", "scale"),
    [
        (Axis("x", choices=(1, 2, 4, 8)), (1, 2, 4, 8), "log"),
        (Axis("x", choices=(1, 50, 130)), (1, 50, 130), "log"),
        (Axis("x", choices=(1, 2, 3)), (1, 2, 3), "linear"),
        (Axis("x", choices=(0, 0.01, 10)), (0, 0.01, 10), "linear"),
        (Axis("x", log=True), (0.1, 0.2, 0.5), "log"),
        (Axis("x"), (0.1, 0.2, 0.5), "linear"),
        (Axis("x", choices=("relu", "tanh")), ("tanh", "relu"), "category"),
        (Axis("x", choices=(True, False)), (True, False), "category"),
        (Axis("x", choices=([256, 1], [256])), ([256, 1], [256]), "category"),
    ],
)
def test_the_axis_fits_the_values(axis: Axis, values: tuple[object, ...], scale: str) -> None:
    """A ladder and two decades are logarithmic, what holds a zero or names is not."""
    trials = [complete(n, {"x": value}, 0.5) for n, value in enumerate(values)]
    assert effect_data(sweep(axis), trials, EffectOptions("x")).axis.scale == scale


def test_choices_by_name_keep_the_order_of_the_space() -> None:
    """Not that of the trials; lists of widths are written with dashes."""
    axis = Axis("hidden_layers", choices=([256], [256, 1, 256]))
    trials = [complete(n, {"hidden_layers": value}, 0.5) for n, value in enumerate(([256, 1, 256], [256]))]
    data = effect_data(sweep(axis), trials, EffectOptions("hidden_layers"))
    assert data.axis.places == ["256", "256-1-256"]
    assert effect_figure(data).layout.xaxis.categoryarray == ("256", "256-1-256")


def test_colour_groups_have_means_of_their_own() -> None:
    """In a grid, one mean a value of the colouring parameter, in the order of the space, named in the legend."""
    activation = Axis("activation", choices=("relu", "tanh"))
    trials = [
        complete(4 * n + 2 * depth + width, {"hidden_units": width + 1, "activation": name, "depth": depth}, value)
        for n, (name, value) in enumerate((("tanh", 0.2), ("relu", 0.4)))
        for depth in (0, 1)
        for width in (0, 1)
    ]
    space = replace(sweep(WIDTH, activation, Axis("depth")), is_grid=True)
    data = effect_data(space, trials, EffectOptions("hidden_units", "activation"))
    assert [(group.name, group.levels[0].y) for group in data.groups] == [("relu", 0.4), ("tanh", 0.2)]
    figure = effect_figure(data)
    assert figure.layout.legend.title.text == "activation"
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["relu", "tanh"]


def test_many_colour_numbers_become_a_scale() -> None:
    """More than eight learning rates are colours on a bar, by their logarithm as the space is."""
    rates = [10.0 ** -(n / 4) for n in range(12)]
    trials = [complete(n, {"hidden_units": 1, "learning_rate": rate}, 0.5) for n, rate in enumerate(rates)]
    space = sweep(WIDTH, Axis("learning_rate", log=True))
    data = effect_data(space, trials, EffectOptions("hidden_units", "learning_rate"))
    assert len(data.groups) == 1
    trace = next(trace for trace in effect_figure(data).data if trace.name == "configuration")
    assert list(trace.marker.color) == pytest.approx([-n / 4 for n in range(12)])
    assert trace.marker.colorbar.ticktext[-1] == "1"


def test_what_has_no_value_is_left_out_and_said() -> None:
    """A diverged trial is no point; the subtitle counts it. Trials that still wait are not spoken of."""
    trials = [*WIDTHS, diverged(3, {"hidden_units": 8}, 0.9, None), waiting(4, {"hidden_units": 8})]
    data = effect_data(sweep(WIDTH), trials, X)
    assert [level.x for level in data.groups[0].levels] == [1.0, 2.0, 4.0]
    assert "1 failed trial left out" in data.subtitle


def test_the_book_split_says_that_it_used_the_test_images() -> None:
    """So that nobody takes the number for a test result."""
    assert "test images were used for validation" in effect_data(sweep(WIDTH, split="book"), WIDTHS, X).subtitle
    assert "test images" not in effect_data(sweep(WIDTH), WIDTHS, X).subtitle


@pytest.mark.parametrize("trials", [[], [waiting(0, {"hidden_units": 1})], [diverged(0, {"hidden_units": 1}, None)]])
def test_nothing_finished_is_an_empty_figure_that_says_so(trials: list[TrialRow]) -> None:
    """Valid, without data, with a sentence."""
    made = effect_figure(effect_data(sweep(WIDTH), trials, X))
    assert len(made.data) == 0
    assert made.layout.annotations[0].text == "No finished trial yet"


def test_thousands_of_trials_stay_small() -> None:
    """4000 runs are thinned for drawing, said so, but all of them are averaged."""
    trials = [complete(n, {"hidden_units": 2 ** (n % 4)}, n / 4000) for n in range(4000)]
    data = effect_data(sweep(WIDTH), trials, X)
    assert sum(level.n for level in data.groups[0].levels) == 4000
    assert len(data.groups[0].points) == 2000
    assert "2,000 of 4,000 runs drawn" in data.subtitle
    assert len(effect_figure(data).to_json()) < 400_000


def test_a_large_grid_stays_small() -> None:
    """Of 5000 configurations on many lines, or on few long ones, at most 2000 are drawn; all are averaged."""
    for x, other in ((1000, 5), (5, 1000)):
        trials = [complete(n, {"hidden_units": n % x + 1, "depth": n // x}, (n % 7) / 10) for n in range(x * other)]
        data = effect_data(replace(sweep(Axis("hidden_units"), Axis("depth")), is_grid=True), trials, X)
        (group,) = data.groups
        points = sum(len(line.points) for line in group.lines)
        assert points <= 2000
        assert f"{points:,} of 5,000 configurations drawn" in data.subtitle
        assert (len(group.levels), group.levels[0].n) == (x, other)


def test_a_close_up_shows_the_better_half() -> None:
    """The y axis reaches from the median trial to the best, with a little room, and the subtitle says it is cut."""
    data = effect_data(sweep(WIDTH), WIDTHS, EffectOptions("hidden_units", close=True))
    assert data.y_range is not None
    low, high = data.y_range
    assert 0.2 < low < 0.5
    assert high > 0.8
    assert "close-up" in data.subtitle
    assert effect_figure(data).layout.yaxis.range == data.y_range


def test_markup_in_a_value_is_text() -> None:
    """What a user has typed is never a tag."""
    axis = Axis("name", choices=("<a href='http://x'>", "b"))
    trials = [complete(n, {"name": choice}, 0.5) for n, choice in enumerate(axis.choices or ())]
    made = effect_figure(effect_data(sweep(axis), trials, EffectOptions("name")))
    assert "<a" not in "".join([*made.data[0].text, *made.layout.xaxis.categoryarray])

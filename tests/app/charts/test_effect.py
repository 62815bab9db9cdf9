import pytest

from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.rows import Axis, TrialRow
from tests.support.chart_examples import complete, diverged, sweep, waiting

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
    assert [point.y for point in group.points] == [0.1, 0.3, 0.5, 0.5, 0.7, 0.9]
    assert tuple(group.levels[0]) == pytest.approx((1.0, 0.2, 0.02**0.5, 2))
    assert group.levels[1].std == 0.0
    assert data.best is not None
    assert (data.best.x, data.best.y) == (4.0, 0.8)


def test_trials_with_the_same_x_are_pooled_over_their_runs() -> None:
    """Two trials of width 1 make one level of four runs."""
    trials = [complete(n, {"hidden_units": 1, "depth": n}, 0.1 * n, 0.2 * n) for n in (1, 2)]
    (group,) = effect_data(sweep(WIDTH, Axis("depth")), trials, X).groups
    (level,) = group.levels
    assert tuple(level) == pytest.approx((1.0, 0.225, 0.12583, 4), abs=1e-5)


def test_the_best_follows_the_direction() -> None:
    """With a loss to minimise the star is at the smallest value."""
    data = effect_data(sweep(WIDTH, metric="val_loss", maximize=False), WIDTHS, X)
    assert data.best is not None
    assert data.best.x == 1.0
    assert data.title == "Validation loss by hidden_units"


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
    """One line a value of the colouring parameter, in the order of the space, named in the legend."""
    activation = Axis("activation", choices=("relu", "tanh"))
    trials = [
        complete(0, {"hidden_units": 1, "activation": "tanh"}, 0.2),
        complete(1, {"hidden_units": 1, "activation": "relu"}, 0.4),
    ]
    data = effect_data(sweep(WIDTH, activation), trials, EffectOptions("hidden_units", "activation"))
    assert [(group.name, group.levels[0].mean) for group in data.groups] == [("relu", 0.4), ("tanh", 0.2)]
    assert effect_figure(data).layout.legend.title.text == "activation"


def test_many_colour_numbers_become_a_scale() -> None:
    """More than eight learning rates are colours on a bar, by their logarithm as the space is."""
    rates = [10.0 ** -(n / 4) for n in range(12)]
    trials = [complete(n, {"hidden_units": 1, "learning_rate": rate}, 0.5) for n, rate in enumerate(rates)]
    space = sweep(WIDTH, Axis("learning_rate", log=True))
    data = effect_data(space, trials, EffectOptions("hidden_units", "learning_rate"))
    assert len(data.groups) == 1
    trace = effect_figure(data).data[0]
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
    assert "2000 of 4000 runs drawn" in data.subtitle
    assert len(effect_figure(data).to_json()) < 400_000


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
